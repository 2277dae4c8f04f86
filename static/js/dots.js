// The accounting of the dots. Pure.
//
// One dot stands for N records, one N for the whole picture, N from the ladder
// 1, 2, 5, 10, 20, 50, … Each link keeps what it has not drawn yet, so for each
// link, for ever: |dots drawn × N − records| < N. Nothing is random, nothing is
// boosted.

/** No more than so many dots begin in a second. */
export const DOTS_PER_SECOND = 300;

/** The smallest number of the ladder 1, 2, 5, 10, … that is at least x. */
export function ladder(x) {
  if (!(x > 1)) return 1;
  const base = 10 ** Math.floor(Math.log10(x) + 1e-9);
  for (const step of [1, 2, 5, 10]) if (base * step >= x * (1 - 1e-9)) return base * step;
  return base * 10;
}

/** The next number of the ladder below n. */
export function rungBelow(n) {
  if (n <= 1) return 1;
  const lead = n / 10 ** Math.floor(Math.log10(n) + 1e-9);
  return Math.round(lead < 3 ? n / 2 : n / 2.5);
}

/**
 * Scale chooses N. It climbs at once when a burst would break the budget twice
 * over, and otherwise changes only when the rate has been out of bounds for two
 * seconds, so that the legend stands still.
 */
export class Scale {
  constructor(budget = DOTS_PER_SECOND) {
    this.budget = budget;
    this.n = 1;
    this.outSince = null;
  }

  /**
   * @param {number} rate records a second over all links
   * @param {number} now ms
   * @returns {boolean} whether N changed
   */
  update(rate, now) {
    const dots = rate / this.n;
    const over = dots > this.budget;
    const under = this.n > 1 && dots < 0.35 * this.budget && rate / rungBelow(this.n) <= this.budget;
    if (!over && !under) {
      this.outSince = null;
      return false;
    }
    this.outSince ??= now;
    if (dots <= 2 * this.budget && now - this.outSince < 2000) return false;
    const was = this.n;
    this.n = ladder(rate / this.budget);
    this.outSince = null;
    return this.n !== was;
  }
}

/** Diffuser turns the records of each link into whole dots and keeps the rest. */
export class Diffuser {
  constructor() {
    this.rest = new Map(); // link id -> records not drawn yet, less than N
  }

  /** Adds records to a link and returns how many dots begin, N records each. */
  add(link, records, n) {
    const have = (this.rest.get(link) ?? 0) + records;
    const dots = Math.floor(have / n);
    this.rest.set(link, have - dots * n);
    return Math.max(dots, 0);
  }

  forget(link) {
    this.rest.delete(link);
  }
}

/**
 * Spreads dots evenly over a span: the i-th of count begins at the returned
 * share of it. Links start at different places, always the same for each, so
 * that they do not all beat at once.
 */
export function offsetInSlot(i, count, link) {
  const phase = (link * 0.6180339887498949) % 1;
  return (i + phase) / count;
}
