// The picture's model in the page: what server/live/model.go describes, brought
// up to date by patches and frames. Pure.

/** Rate is a counter's speed, smoothed over about two seconds. */
export class Rate {
  constructor(tau = 1500) {
    this.tau = tau;
    this.v = 0;
    this.t = 0;
  }

  /** Begins with a speed that is known. */
  begin(perSecond = 0, now = 0) {
    this.v = perSecond / 1000;
    this.t = now;
    return this;
  }

  add(n, now) {
    this.v = this.at(now) / 1000 + n / this.tau;
    this.t = now;
  }

  /** Units a second. */
  at(now) {
    if (this.v === 0) return 0;
    const v = this.v * Math.exp(-Math.max(0, now - this.t) / this.tau) * 1000;
    return v < 0.02 ? 0 : v;
  }
}

const LISTS = {
  topics: ['name', 'internal'],
  partitions: ['t', 'p', 'leader', 'epoch', 'bases'],
  clients: ['name', 'software', 'connected'],
  links: ['d', 'c', 'p', 'b'],
  groups: ['name', 'state', 'generation', 'members'],
  lags: ['g', 'p', 'm', 'client'],
};

export class Model {
  constructor() {
    this.reset();
  }

  reset() {
    this.brokers = new Map();
    this.topics = new Map();
    this.partitions = new Map();
    this.replicas = new Map(); // of all partitions, by id
    this.clients = new Map();
    this.links = new Map();
    this.groups = new Map();
    this.lags = new Map();
    this.controller = -1;
    this.journal = ''; // why it cannot be written
    this.fine = true;
    this.time = 0;
    this.revision = 0; // grows with the structure
  }

  /** Takes a whole model in the place of everything. */
  hello(m) {
    const revision = this.revision;
    this.reset();
    this.revision = revision;
    this.patch(m);
  }

  /** Takes what changed in the structure. Rows that are known keep their numbers. */
  patch(m) {
    this.revision++;
    this.controller = m.controller;
    this.journal = m.journal ?? '';
    this.fine = m.fine;
    this.time = Math.max(this.time, m.time);
    for (const b of m.brokers ?? []) {
      const old = this.brokers.get(b.id);
      this.brokers.set(b.id, Object.assign(old ?? {
        inRate: new Rate(), outRate: new Rate(), connections: 0, size: 0,
      }, { id: b.id, up: b.up, state: b.state ?? (b.up ? 'running' : 'stopped'), fenced: Boolean(b.fenced), address: b.address ?? '', cause: b.cause ?? '' }));
    }
    for (const name of Object.keys(LISTS)) this.#patchList(name, m, m.drop?.[name] ?? []);
  }

  #patchList(name, m, gone) {
    const map = this[name];
    const rows = m[name] ?? [];
    for (const id of gone) {
      for (const r of map.get(id)?.replicas ?? []) this.replicas.delete(r.id);
      map.delete(id);
    }
    for (const row of rows) {
      const old = map.get(row.i);
      if (old) {
        for (const f of LISTS[name]) old[f] = row[f];
        if (name === 'partitions') this.#takeReplicas(old, row.replicas ?? [], m.time);
        continue;
      }
      const entry = { ...row, id: row.i, born: this.time };
      if (name === 'partitions') {
        entry.inRate = new Rate().begin(row.inRate, m.time);
        entry.outRate = new Rate().begin(row.outRate, m.time);
        entry.bases ??= [];
        entry.replicas = [];
        this.#takeReplicas(entry, row.replicas ?? [], m.time);
      } else if (name === 'links') {
        entry.rate = new Rate().begin(row.rate, m.time);
      } else if (name === 'groups') {
        entry.members ??= [];
      }
      map.set(row.i, entry);
    }
    if (name === 'groups') for (const g of map.values()) g.members ??= [];
    if (name === 'partitions') for (const p of map.values()) p.bases ??= [];
  }

  /** The replicas of a partition, from [id, broker, 1 in sync + 2 offline, records, end, rate]. */
  #takeReplicas(part, rows, now) {
    for (const r of part.replicas) this.replicas.delete(r.id);
    part.replicas = rows.map(([id, b, flags, n, end, rate]) => {
      const r = part.replicas.find((o) => o.id === id) ?? { id, b, part, n, end, rate: new Rate().begin(rate, now) };
      r.sync = (flags & 1) !== 0;
      r.offline = (flags & 2) !== 0;
      this.replicas.set(id, r);
      return r;
    });
  }

  /** Takes what happened since the last frame. Entries of what has gone are ignored. */
  frame(f) {
    this.time = f.time;
    for (const d of f.brokers) {
      const b = this.brokers.get(d.id);
      if (!b) continue;
      b.inRate.add(d.in, f.time);
      b.outRate.add(d.out, f.time);
      b.connections = d.connections;
      b.size = d.size;
    }
    for (const d of f.partitions) {
      const p = this.partitions.get(d.id);
      if (!p) continue;
      p.in += d.in;
      p.out += d.out;
      p.hw += d.hw;
      p.end += d.end;
      p.start += d.start;
      if (d.in) p.inRate.add(d.in, f.time);
      if (d.out) p.outRate.add(d.out, f.time);
    }
    for (const d of f.replicas) {
      const r = this.replicas.get(d.id);
      if (!r) continue;
      r.n += d.records;
      r.end += d.end;
      r.rate.add(d.records, f.time);
    }
    for (const d of f.links) {
      const l = this.links.get(d.id);
      if (!l) continue;
      l.n += d.records;
      l.rate.add(d.records, f.time);
    }
    for (const d of f.lags) {
      const g = this.lags.get(d.id);
      if (!g) continue;
      g.committed += d.committed;
      g.lag = d.lag;
    }
  }

  topicOf(partition) {
    return this.topics.get(partition.t);
  }

  /** Name of a partition as Kafka writes it, such as orders-3. */
  nameOf(partition) {
    return `${this.topicOf(partition)?.name ?? '?'}-${partition.p}`;
  }

  /** Committed lag of a group over all its partitions. */
  lagOf(groupId) {
    let sum = 0;
    for (const g of this.lags.values()) if (g.g === groupId) sum += g.lag;
    return sum;
  }
}
