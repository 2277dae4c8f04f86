// Frames of the live stream, as server/live/frame.go writes them. Pure.
//
// A frame is JSON whose lists are flat arrays of whole numbers. Each entry
// begins with the gap between its id and the one before; ids grow.

/** How many numbers follow the gap in an entry of each list. */
const FIELDS = {
  brokers: ['b', ['in', 'out', 'bytesIn', 'bytesOut', 'connections', 'size']],
  partitions: ['p', ['in', 'out', 'hw', 'end', 'start']],
  replicas: ['r', ['records', 'end']],
  links: ['l', ['records']],
  lags: ['g', ['committed', 'lag']],
};

/** Entries whose newest value counts when frames are merged; the others add up. */
const GAUGES = new Set(['connections', 'size', 'lag']);

/**
 * Reads one frame.
 * @param {string} text
 * @returns {{no:number,time:number,window:number,brokers:object[],partitions:object[],links:object[],lags:object[],fine:Array[],second:Array[]}}
 * @throws {Error} if text is no frame
 */
export function decodeFrame(text) {
  const raw = JSON.parse(text);
  if (raw === null || typeof raw !== 'object' || !Number.isFinite(raw.t)) throw new Error('not a frame');
  const frame = { no: raw.n ?? 0, time: raw.t, window: raw.w ?? 0, fine: raw.h ?? [], second: raw.s ?? [] };
  for (const [name, [key, fields]] of Object.entries(FIELDS)) frame[name] = readList(raw[key] ?? [], fields);
  for (const r of frame.replicas) r.end += r.records; // on the wire: by how much it differs, mostly 0
  return frame;
}

function readList(flat, fields) {
  const step = fields.length + 1;
  if (!Array.isArray(flat) || flat.length % step !== 0) throw new Error('a list has no whole entries');
  const out = [];
  let id = 0;
  for (let i = 0; i < flat.length; i += step) {
    if (!(flat[i] > 0)) throw new Error('ids do not grow');
    id += flat[i];
    const entry = { id };
    for (let f = 0; f < fields.length; f++) entry[fields[f]] = flat[i + 1 + f];
    out.push(entry);
  }
  return out;
}

/**
 * Merges two frames that follow each other into the frame over both spans: no
 * record is lost while a page is paused.
 */
export function mergeFrames(a, b) {
  const out = {
    no: b.no, time: b.time, window: a.window + b.window,
    fine: a.fine.concat(b.fine), second: a.second.concat(b.second),
  };
  for (const name of Object.keys(FIELDS)) {
    const byId = new Map(a[name].map((e) => [e.id, { ...e }]));
    for (const e of b[name]) {
      const old = byId.get(e.id);
      if (!old) {
        byId.set(e.id, { ...e });
        continue;
      }
      for (const f of FIELDS[name][1]) old[f] = GAUGES.has(f) ? e[f] : old[f] + e[f];
    }
    out[name] = [...byId.values()].sort((x, y) => x.id - y.id);
  }
  return out;
}
