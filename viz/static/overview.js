// The overview: one canvas for what is seen, a grid of focusable cells over it for what is done.
// The canvas is as large as what is visible and stays put; scrolling changes which cells it shows.

import { drawCell } from "./cell.js";
import { age, bookWords, decimals, percent, price, signed } from "./format.js";
import { boxOf, gridOf, step } from "./layout.js";
import { linesOf, runsOf } from "./sparks.js";
import { STATES, isOld, regimeOf } from "./states.js";

export class Overview {
  /** `open(symbol)` is called when the reader chooses a symbol. */
  constructor(open) {
    this.open = open;
    this.scroller = document.getElementById("scroller");
    this.space = document.getElementById("space");
    this.canvas = document.getElementById("canvas");
    this.cells = document.getElementById("cells");
    this.empty = document.getElementById("empty");
    this.plan = null;
    this.shown = [];
    this.places = new Map();
    this.filter = "";
    this.current = null;
    this.cells.addEventListener("click", (event) => this.clicked(event));
    this.cells.addEventListener("keydown", (event) => this.pressed(event));
    this.cells.addEventListener("focusin", (event) => this.focused(event.target));
  }

  setPlan(plan) {
    this.plan = plan;
    this.places = new Map(plan.symbols.map((symbol, index) => [symbol, index]));
    this.decimals = plan.tick_size.map(decimals);
    this.marks = [];
    this.lines = [];
    this.build();
  }

  setFilter(text) {
    this.filter = text.trim().toUpperCase();
    if (this.plan !== null) this.build();
  }

  setSpark(data) {
    this.lines = linesOf(data, this.plan.symbols.length);
  }

  setAlerts(alerts) {
    this.marks = this.plan.symbols.map(() => []);
    for (const alert of alerts) {
      if (alert.status === "retracted" || !this.places.has(alert.symbol)) continue;
      this.marks[this.places.get(alert.symbol)].push({
        start: alert.start_ms,
        end: Number.isNaN(alert.end_ms) ? Infinity : alert.end_ms,
        direction: alert.direction,
        volatility: alert.volatility,
      });
    }
  }

  /** Make the cells of the symbols that pass the filter; rows follow the columns that fit. */
  build() {
    const focused = this.cells.contains(document.activeElement) ? document.activeElement.dataset.symbol : null;
    this.shown = this.plan.symbols.map((_, index) => index).filter((index) => this.plan.symbols[index].toUpperCase().includes(this.filter));
    this.nodes = this.shown.map((index) => this.cellOf(index));
    this.columns = null;
    this.measure();
    this.empty.hidden = this.shown.length > 0;
    this.empty.textContent = `No symbol contains “${this.filter}”.`;
    if (focused !== null) this.focus(focused);
  }

  cellOf(index) {
    const cell = document.createElement("div");
    cell.setAttribute("role", "gridcell");
    cell.dataset.symbol = this.plan.symbols[index];
    cell.tabIndex = -1;
    return cell;
  }

  /** Fit canvas and cells to the room there is. */
  measure() {
    if (this.plan === null) return;
    const { clientWidth, clientHeight } = this.scroller;
    const room = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--room")) || clientHeight;
    this.grid = gridOf(this.shown.length, clientWidth, room);
    this.space.style.height = `${this.grid.height}px`;
    if (this.columns !== this.grid.columns) this.arrange();
    this.cells.style.setProperty("--columns", this.grid.columns);
    this.cells.style.setProperty("--cell-height", `${this.grid.cellHeight}px`);
    const height = Math.min(this.grid.height, Math.max(this.scroller.clientHeight, 1));
    const scale = devicePixelRatio;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(clientWidth * scale);
    this.canvas.height = Math.round(height * scale);
    this.mark();
  }

  arrange() {
    this.columns = this.grid.columns;
    const rows = [];
    this.nodes.forEach((node, place) => {
      if (place % this.columns === 0) {
        const row = document.createElement("div");
        row.setAttribute("role", "row");
        rows.push(row);
      }
      rows[rows.length - 1].append(node);
    });
    this.cells.replaceChildren(...rows);
    this.cells.setAttribute("aria-rowcount", rows.length);
    this.cells.setAttribute("aria-colcount", this.columns);
  }

  select(symbol) {
    this.current = symbol;
    this.mark();
  }

  // One cell can be reached with Tab: the chosen one, else the first.
  mark() {
    const chosen = this.nodes?.find((node) => node.dataset.symbol === this.current) ?? this.nodes?.[0];
    for (const node of this.nodes ?? []) {
      node.setAttribute("aria-selected", node.dataset.symbol === this.current);
      node.tabIndex = node === chosen ? 0 : -1;
    }
  }

  focus(symbol) {
    const node = this.nodes.find((candidate) => candidate.dataset.symbol === symbol) ?? this.nodes[0];
    node?.focus();
  }

  clicked(event) {
    const cell = event.target.closest("[data-symbol]");
    if (cell !== null) this.open(cell.dataset.symbol);
  }

  focused(cell) {
    if (this.tick) cell.setAttribute("aria-label", this.describe(this.places.get(cell.dataset.symbol)));
  }

  pressed(event) {
    const place = this.nodes.indexOf(event.target);
    if (event.key === "Enter" || event.key === " ") this.open(event.target.dataset.symbol);
    else if (event.key === "Home") this.nodes[0].focus();
    else if (event.key === "End") this.nodes[this.nodes.length - 1].focus();
    else if (event.key.startsWith("Arrow")) this.nodes[step(this.grid, place, event.key, this.nodes.length)].focus();
    else return;
    event.preventDefault();
  }

  /** Say in words what the cell of a symbol shows. */
  describe(index) {
    const { tick } = this;
    const state = tick.symbol_state[index];
    const words = [
      this.plan.symbols[index],
      `price ${price(tick.price[index], this.decimals[index])}`,
      `volatility ${percent(tick.volatility[index])} ${regimeOf(tick.regime[index])}`.trim(),
      `z ${signed(tick.score[index])}`,
    ];
    const book = bookWords(tick.spread_bp[index], tick.imbalance[index]);
    if (book !== "") words.push(book);
    if (state !== "live") words.push(`${STATES[state]}, last trade ${age(tick.symbol_age_s[index])} ago`);
    if (tick.severity[index] > 0) words.push(`${["", "minor", "major", "critical"][tick.severity[index]]} anomaly open`);
    return words.join(", ");
  }

  describeAll() {
    for (const node of this.nodes ?? []) node.setAttribute("aria-label", this.describe(this.places.get(node.dataset.symbol)));
  }

  /** Draw the visible cells of `tick`; `late` seconds have passed since it came. */
  draw(tick, late, colours, reachMs) {
    this.tick = tick;
    const ctx = this.canvas.getContext("2d");
    const scale = devicePixelRatio;
    const top = this.scroller.scrollTop;
    ctx.setTransform(scale, 0, 0, scale, 0, -Math.round(top * scale));
    ctx.clearRect(0, top, this.canvas.width, this.canvas.height);
    const bottom = top + this.canvas.height / scale;
    const view = this.viewOf(tick, colours, reachMs);
    this.shown.forEach((index, place) => {
      const box = boxOf(this.grid, place);
      if (box.y + box.height < top || box.y > bottom) return;
      drawCell(ctx, box, this.cellData(index, tick, late, view.fromMs), view);
    });
  }

  viewOf(tick, colours, reachMs) {
    const toMs = tick.venue_ms ?? tick.stamp_ms;
    const fonts = {
      bold: `600 13px ${colours.font}`,
      name: `600 12px ${colours.font}`,
      plain: `12px ${colours.font}`,
      small: `11px ${colours.font}`,
    };
    return { fromMs: toMs - reachMs, toMs, colours, fonts };
  }

  cellData(index, tick, late, fromMs) {
    const line = this.lines[index];
    const seconds = tick.symbol_age_s[index];
    const frozen = tick.state === "offline" || tick.state === "stale";
    const state = tick.symbol_state[index];
    return {
      symbol: this.plan.symbols[index],
      price: tick.price[index],
      places: this.decimals[index],
      volatility: tick.volatility[index],
      regime: regimeOf(tick.regime[index]),
      score: tick.score[index],
      elevated: tick.elevated[index],
      age: seconds === null ? null : seconds + late,
      state: frozen && state !== "waiting" && !isOld(state) ? "stale" : state,
      severity: tick.severity[index],
      runs: line === undefined ? [] : runsOf(line, this.plan.every_ms, fromMs),
      marks: this.marks[index] ?? [],
    };
  }
}
