// Ways that dots take, as points. Pure.

const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));

/** A curve that leaves and arrives level, as points. */
export function bezier(x0, y0, x1, y1) {
  const c = Math.max(24, Math.abs(x1 - x0) * 0.55);
  const out = [];
  for (let i = 0; i <= 20; i++) {
    const t = i / 20;
    const u = 1 - t;
    out.push([
      u * u * u * x0 + 3 * u * u * t * (x0 + c) + 3 * u * t * t * (x1 - c) + t * t * t * x1,
      u * u * u * y0 + 3 * u * u * t * y0 + 3 * u * t * t * y1 + t * t * t * y1,
    ]);
  }
  return out;
}

/** A polyline with its corners cut off by r. */
export function rounded(points, r) {
  const out = [points[0]];
  for (let i = 1; i < points.length - 1; i++) {
    const [p, q, s] = [points[i - 1], points[i], points[i + 1]];
    const a = Math.min(r, dist(p, q) / 2);
    const b = Math.min(r, dist(q, s) / 2);
    const from = toward(q, p, a);
    const to = toward(q, s, b);
    for (let k = 0; k <= 4; k++) {
      const t = k / 4;
      const u = 1 - t;
      out.push([u * u * from[0] + 2 * u * t * q[0] + t * t * to[0], u * u * from[1] + 2 * u * t * q[1] + t * t * to[1]]);
    }
  }
  out.push(points.at(-1));
  return out;
}

const dist = (p, q) => Math.hypot(q[0] - p[0], q[1] - p[1]);
const toward = (p, q, d) => {
  const l = dist(p, q) || 1;
  return [p[0] + ((q[0] - p[0]) * d) / l, p[1] + ((q[1] - p[1]) * d) / l];
};

/** Points at equal distances along a polyline, so that dots move evenly. */
export function resample(points, steps = 48) {
  const lengths = [0];
  for (let i = 1; i < points.length; i++) lengths.push(lengths[i - 1] + dist(points[i - 1], points[i]));
  const total = lengths.at(-1);
  const out = new Float32Array(2 * (steps + 1));
  let k = 1;
  for (let i = 0; i <= steps; i++) {
    const want = (total * i) / steps;
    while (k < lengths.length - 1 && lengths[k] < want) k++;
    const part = lengths[k] - lengths[k - 1] || 1;
    const t = (want - lengths[k - 1]) / part;
    out[2 * i] = points[k - 1][0] + (points[k][0] - points[k - 1][0]) * t;
    out[2 * i + 1] = points[k - 1][1] + (points[k][1] - points[k - 1][1]) * t;
  }
  return out;
}

/** The place on a path at share t of the way. */
export function along(path, t) {
  const steps = path.length / 2 - 1;
  const f = clamp(t, 0, 1) * steps;
  const i = Math.min(steps - 1, Math.floor(f));
  const u = f - i;
  return [path[2 * i] + (path[2 * i + 2] - path[2 * i]) * u, path[2 * i + 1] + (path[2 * i + 3] - path[2 * i + 1]) * u];
}
