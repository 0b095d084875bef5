// Does one thing to a daemon with @ctrl/transmission, and says what it saw.
// Arguments: address, token, what to do, what with.
import { readFileSync } from 'node:fs';
import { Transmission } from '@ctrl/transmission';

const [address, password, verb, ...args] = process.argv.slice(2);
const client = new Transmission({ baseUrl: `http://${address}/`, username: 'me', password });
const id = Number(args[0]);

const row = (t) => ({
  id: t.id, hash: t.hashString, name: t.name, dir: t.downloadDir, status: t.status, done: t.percentDone,
  have: t.haveValid, left: t.leftUntilDone, fetched: t.downloadedEver, limit: t.downloadLimited ? t.downloadLimit : -1,
  files: t.files.map((f, i) => ({ name: f.name, size: f.length, have: f.bytesCompleted, wanted: Boolean(t.wanted[i]), priority: t.priorities[i] })),
});
const fields = ['id', 'hashString', 'name', 'downloadDir', 'status', 'percentDone', 'haveValid', 'leftUntilDone', 'downloadedEver',
  'downloadLimited', 'downloadLimit', 'files', 'wanted', 'priorities'];
const things = {
  add: () => client.addTorrent(readFileSync(args[0]).toString('base64'), { 'download-dir': args[1], paused: true }),
  link: () => client.addMagnet(args[0], { 'download-dir': args[1], paused: true }),
  list: async () => (await client.listTorrents(undefined, fields)).arguments.torrents.map(row),
  stop: () => client.pauseTorrent(id),
  start: () => client.resumeTorrent(id),
  choose: () => client.setTorrent(id, { downloadLimit: 900, downloadLimited: true, 'files-unwanted': [0], 'priority-high': [1] }),
  all: () => client.setTorrent(id, { 'files-wanted': [0, 1, 2] }),
  limit: () => client.setSession({ 'speed-limit-down': id, 'speed-limit-down-enabled': true }),
  limited: async () => (await client.getSession()).arguments['speed-limit-down'],
  move: () => client.moveTorrent(id, args[1]),
  remove: () => client.removeTorrent(id, args[1] === 'true'),
};
const said = await things[verb]();
if (said && said.result && said.result !== 'success') throw new Error(said.result);
console.log(JSON.stringify(said));
