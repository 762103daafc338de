// The panes of one symbol: where their axes are, what stands beside their titles.

import { age, bookWords, clock, decimals, percent, price, signed } from "./format.js";
import { STATES, regimeOf } from "./states.js";

/**
 * Return a range for [low, high] that changes seldom: the old one while it holds the data and the
 * data still fills a good part of it.
 */
export function calmRange(old, low, high, floor = null) {
  const span = high - low || Math.abs(high) * 0.001 || 1;
  const [start, end] = old;
  const fits = start <= low && high <= end && end - start <= 3 * span;
  if (fits) return old;
  const bottom = floor === null ? low - 0.2 * span : floor;
  return [bottom, high + 0.2 * span];
}

/**
 * Return the words for the change of volatility that is marked nearest to a row, empty without one
 * within `reach` milliseconds: a mark is wider than the row it is of.
 */
export function changeNear({ t, risen, fallen }, row, reach) {
  let found = null;
  const look = (at) => {
    if (!Number.isFinite(risen[at]) && !Number.isFinite(fallen[at])) return;
    if (found === null || Math.abs(t[at] - t[row]) < Math.abs(t[found] - t[row])) found = at;
  };
  for (let at = row; at >= 0 && t[row] - t[at] <= reach; at--) look(at);
  for (let at = row + 1; at < t.length && t[at] - t[row] <= reach; at++) look(at);
  if (found === null) return "";
  return `${Number.isFinite(risen[found]) ? "rose" : "fell"} at ${clock(t[found])}`;
}

export class Detail {
  constructor(models) {
    this.models = models;
    this.ranges = [[0, 0], [0, 0], [0, 0]];
    this.nodes = Object.fromEntries(
      ["symbol", "symbol-state", "moment", "headline", "detector", "enter", "regime", "read-price", "read-volatility", "read-score"].map((id) => [id, document.getElementById(id)]),
    );
    this.hovered = null;
    document.querySelector(".detail").addEventListener("pointerleave", () => this.read(null));
  }

  setPlan(plan) {
    this.plan = plan;
    this.nodes.headline.textContent = this.nodes.headline.title = `${plan.headline}, annualised`;
    this.nodes.detector.textContent = plan.detector;
  }

  /** Show another symbol; its rows follow from the server. */
  select(symbol) {
    const index = this.plan.symbols.indexOf(symbol);
    this.index = index;
    this.places = decimals(this.plan.tick_size[index]);
    this.ranges = [[0, 0], [0, 0], [0, 0]];
    this.hovered = null;
    const { panes, chosen } = this.models;
    quietly(chosen, { group: symbol });
    quietly(panes[0].right[0].formatter, { format: `0,0${this.places > 0 ? `.${"0".repeat(this.places)}` : ""}` });
    this.nodes.symbol.textContent = symbol;
  }

  /** Move time along to `tick` and fit the axes to what can be seen. */
  fit(tick) {
    const { detail, panes, x_range, link, baseline, elevated, enter } = this.models;
    const { t, price: prices, volatility, z } = detail.data;
    const end = Math.max(Math.floor((tick.venue_ms ?? tick.stamp_ms) / 1000) * 1000, t.length > 0 ? t[t.length - 1] : 0);
    const start = end - 1000 * link.window_s;
    const usual = tick.baseline[this.index];
    const high = tick.elevated[this.index];
    const level = tick.enter[this.index];
    quietly(enter[0], { location: level });
    quietly(enter[1], { location: -level });
    this.nodes.enter.textContent = level.toFixed(1);
    quietly(x_range, { start, end: end + 10 * link.window_s });
    quietly(baseline, { location: usual ?? -1 });
    quietly(elevated, { location: high ?? -1 });
    const from = t.findIndex((time) => time >= start);
    const seen = (column) => (from < 0 ? [] : Array.from(column).slice(from).filter(Number.isFinite));
    this.fitPane(panes[0], 0, seen(prices), null);
    this.fitPane(panes[1], 1, [0, ...(high === null ? [] : [high]), ...seen(volatility)], 0);
    this.fitPane(panes[2], 2, [-1.2 * level, 1.2 * level, ...seen(z)], null);
  }

  fitPane(pane, place, values, floor) {
    if (values.length === 0) return;
    const low = values.reduce((a, b) => Math.min(a, b));
    const high = values.reduce((a, b) => Math.max(a, b));
    this.ranges[place] = calmRange(this.ranges[place], low, high, floor);
    const [start, end] = this.ranges[place];
    quietly(pane.y_range, { start, end });
  }

  /** Show the row under the pointer beside the titles, or the newest values for null. */
  read(row) {
    this.hovered = row;
    if (this.tick) this.write(this.tick, this.late);
  }

  write(tick, late) {
    this.tick = tick;
    this.late = late;
    const { nodes, index } = this;
    const row = this.hovered;
    const { data } = this.models.detail;
    const at = row !== null && row < data.t.length;
    const values = at ? [data.price[row], data.volatility[row], data.z[row]] : [tick.price[index], tick.volatility[index], tick.score[index]];
    const seconds = tick.symbol_age_s[index];
    const state = tick.symbol_state[index];
    nodes["read-price"].textContent = price(values[0], this.places);
    nodes["read-volatility"].textContent = percent(values[1]);
    nodes["read-score"].textContent = signed(values[2]);
    const traded = `last trade ${age(seconds === null ? null : seconds + late)} ago`;
    const book = bookWords(tick.spread_bp[index], tick.imbalance[index]);
    nodes.moment.textContent = at ? `at ${clock(data.t[row])} UTC` : [traded, book].filter(Boolean).join(" · ");
    nodes["symbol-state"].textContent = STATES[state];
    // Half a mark on the screen is about a hundredth of the window.
    nodes.regime.textContent = at ? changeNear(data, row, 10 * this.models.link.window_s) : regimeOf(tick.regime[index]);
  }
}

// What the page does to its own axes is nothing the server needs to hear.
function quietly(model, values) {
  model.setv(values, { sync: false });
}
