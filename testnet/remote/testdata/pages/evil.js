// What a page of another site can try against an API on this machine. It is
// told more than such a page could know: where the API is, and the session id.
const q = new URLSearchParams(location.search);
const stop = '{"method":"torrent-stop"}';
const get = '{"method":"torrent-get","arguments":{"fields":["name"]}}';
const seen = [];

const within = (p) => Promise.race([p, new Promise((ok) => setTimeout(ok, 3000))]);
const attempt = async (name, f) => {
  try {
    const text = await within(Promise.resolve().then(f));
    if (typeof text === 'string' && text.length > 0) seen.push(`${name}: ${text}`);
  } catch (e) { /* that is what should happen */ }
};
const load = (tag, props) => new Promise((ok) => {
  const e = Object.assign(document.createElement(tag), props);
  e.onload = e.onerror = () => ok();
  document.body.append(e);
});

async function attack(base) {
  const rpc = `${base}/transmission/rpc`;
  const headers = { 'X-Transmission-Session-Id': q.get('session'), 'Content-Type': 'application/json' };
  await attempt('fetch', () => fetch(rpc, { credentials: 'include' }).then((r) => r.headers.get('X-Transmission-Session-Id') + r.text()));
  await attempt('blind post', () => fetch(rpc, { method: 'POST', body: stop, mode: 'no-cors', credentials: 'include' }).then((r) => r.text()));
  await attempt('blind json', () => fetch(rpc, { method: 'POST', body: new Blob([stop], { type: 'text/plain' }), mode: 'no-cors' }).then((r) => r.text()));
  await attempt('post with id', () => fetch(rpc, { method: 'POST', body: stop, headers, credentials: 'include' }).then((r) => r.text()));
  await attempt('read with id', () => fetch(rpc, { method: 'POST', body: get, headers }).then((r) => r.text()));
  await attempt('put', () => fetch(rpc, { method: 'PUT', body: stop, headers }).then((r) => r.text()));
  await attempt('xhr', () => { const x = new XMLHttpRequest(); x.open('GET', rpc, false); x.send(); return x.responseText; });
  await attempt('beacon', () => { navigator.sendBeacon(rpc, stop); });
  await attempt('events', () => new Promise((ok, no) => { const s = new EventSource(`${base}/events`); s.addEventListener('torrents', (e) => ok(e.data)); s.onerror = () => { s.close(); no(); }; }));
  await attempt('websocket', () => new Promise((ok, no) => { const s = new WebSocket(rpc.replace('http', 'ws')); s.onmessage = (e) => ok(e.data); s.onerror = no; }));
  await attempt('script', () => load('script', { src: rpc }));
  await attempt('image', () => load('img', { src: rpc }));
  await attempt('style', () => load('link', { rel: 'stylesheet', href: rpc }));
  await attempt('frame', async () => { const f = document.createElement('iframe'); f.src = `${base}/`; document.body.append(f); await new Promise((ok) => { f.onload = ok; }); return f.contentDocument && f.contentDocument.body.textContent; });
  await attempt('form', async () => {
    const target = document.createElement('iframe');
    target.name = 'sink' + Math.random();
    const form = Object.assign(document.createElement('form'), { action: rpc, method: 'POST', enctype: 'text/plain', target: target.name });
    form.append(Object.assign(document.createElement('input'), { name: '{"method":"torrent-stop","x":"', value: '"}' }));
    document.body.append(target, form);
    const done = new Promise((ok) => { target.onload = ok; });
    form.submit();
    await done;
  });
}

(async () => {
  for (const base of q.getAll('base')) await attack(base);
  await fetch('/report', { method: 'POST', body: JSON.stringify(seen) });
})();
