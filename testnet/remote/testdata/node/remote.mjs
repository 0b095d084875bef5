// Steers a daemon with @ctrl/transmission, and says what it saw.
// Arguments: address, token, a torrent file, a magnet link, the download folder.
import { readFileSync } from 'node:fs';
import { Transmission } from '@ctrl/transmission';

const [address, password, file, magnet, folder] = process.argv.slice(2);
const client = new Transmission({ baseUrl: `http://${address}/`, username: 'me', password });
const seen = {};

await client.addTorrent(readFileSync(file).toString('base64'), { 'download-dir': `${folder}/music` });
await client.addMagnet(magnet, { 'download-dir': folder, paused: true });
// Its own default folder is outside ours, which must be said and not hidden.
seen.jail = (await client.addMagnet(magnet)).result;

const all = await client.getAllData();
seen.list = all.torrents.map((t) => [t.name, t.state, t.totalSize, t.savePath]);
seen.raw = all.raw.arguments.torrents.map((t) => t.hashString);
const one = await client.getTorrent(all.raw.arguments.torrents[0].hashString);
seen.one = [one.name, one.progress, one.downloadSpeed, one.label];

await client.pauseTorrent(1);
await client.resumeTorrent(seen.raw[1]);
await client.verifyTorrent(2);
await client.reannounceTorrent(1);
await client.setTorrent(1, { downloadLimit: 30, downloadLimited: true, labels: ['x'], 'files-unwanted': [0], 'priority-high': [1] });
await client.moveTorrent(1, `${folder}/else`);
await client.renamePath(1, { path: 'album/two', name: 'deux' });
await client.queueTop(2);
await client.queueDown(2);
await client.queueUp(2);
await client.queueBottom(1);
await client.setSession({ 'speed-limit-down': 50, 'speed-limit-down-enabled': true });
const session = (await client.getSession()).arguments;
seen.session = [session['speed-limit-down'], session['dht-enabled'], session.version];
seen.free = (await client.freeSpace(folder)).arguments['size-bytes'];
seen.dht = (await client.setSession({ 'dht-enabled': true })).result;
await client.removeTorrent(2, true);
seen.left = (await client.listTorrents()).arguments.torrents.map((t) => t.name);
console.log(JSON.stringify(seen));
