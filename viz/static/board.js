// The page: brings models, views and keys together, and paints at most once a frame.

import { alertsOf, Anomalies } from "./anomalies.js";
import { Detail } from "./detail.js";
import { bindKeys } from "./keys.js";
import { Overview } from "./overview.js";
import { Status } from "./status.js";
import { colourFigures, toggle, tokens } from "./theme.js";

const SPARK_MS = 150000;
const RETRY_MS = 2000;

class Board {
  constructor(models) {
    this.models = models;
    this.link = models.link;
    this.overview = new Overview((symbol) => this.open(symbol));
    this.detail = new Detail(models);
    this.anomalies = new Anomalies((alert) => this.openAlert(alert));
    this.status = new Status();
    this.plan = null;
    this.tick = null;
    this.arrivedAt = performance.now();
    this.alerts = [];
    this.connected = true;
    this.planned = false;
    this.fittedMs = 0;
    document.getElementById("spark-reach").textContent = `${SPARK_MS / 1000} s`;
    this.listen();
    this.applyTheme();
    this.setPlan();
    this.setTick();
    setInterval(() => this.schedule(), 1000);
  }

  listen() {
    const { link, spark, detail, alerts } = this.models;
    link.properties.plan.change.connect(() => this.setPlan());
    link.properties.tick.change.connect(() => this.setTick());
    for (const signal of [spark.streaming, spark.properties.data.change]) signal.connect(() => this.setSpark());
    for (const signal of [detail.streaming, detail.properties.data.change]) signal.connect(() => this.refit());
    alerts.properties.data.change.connect(() => this.setAlerts());
    const resized = new ResizeObserver(() => {
      this.overview.measure();
      this.paintNow();
    });
    resized.observe(document.getElementById("scroller"));
    document.getElementById("scroller").addEventListener("scroll", () => this.paintNow(), { passive: true });
    document.addEventListener("visibilitychange", () => this.setVisible());
    document.getElementById("theme").addEventListener("click", () => this.switchTheme());
    document.getElementById("filter").addEventListener("input", (event) => {
      this.overview.setFilter(event.target.value);
      this.schedule();
    });
    for (const button of this.windowButtons()) button.addEventListener("click", () => this.setWindow(Number(button.dataset.window)));
    bindKeys(this);
  }

  setPlan() {
    if (this.link.plan === "") return;
    this.plan = JSON.parse(this.link.plan);
    this.overview.setPlan(this.plan);
    this.detail.setPlan(this.plan);
    this.showSymbol(this.plan.symbols.includes(this.link.symbol) ? this.link.symbol : this.plan.symbols[0]);
    this.setSpark();
    this.setAlerts();
    this.markWindow();
  }

  setTick() {
    if (this.link.tick === "") return;
    this.tick = JSON.parse(this.link.tick);
    this.arrivedAt = performance.now();
    this.schedule();
  }

  setSpark() {
    if (this.plan !== null) this.overview.setSpark(this.models.spark.data);
    this.schedule();
  }

  setAlerts() {
    this.alerts = alertsOf(this.models.alerts.data);
    if (this.plan !== null) this.overview.setAlerts(this.alerts);
    this.anomalies.set(this.alerts);
    this.schedule();
  }

  setVisible() {
    this.link.visible = !document.hidden;
    // Silence while hidden was asked for.
    if (this.link.visible) this.arrivedAt = performance.now();
  }

  refit() {
    this.fittedMs = 0;
    this.schedule();
  }

  /** The reader chose a symbol. */
  open(symbol) {
    this.link.symbol = symbol;
    this.showSymbol(symbol);
    const pane = document.getElementById("detail");
    if (pane.getBoundingClientRect().top > innerHeight - 120) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      pane.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    }
  }

  /** The reader chose an anomaly: its symbol, in the shortest window that reaches back to it. */
  openAlert(alert) {
    if (this.plan === null || !this.plan.symbols.includes(alert.symbol)) return;
    const reach = ((this.tick?.venue_ms ?? Date.now()) - alert.start_ms) / 1000;
    const enough = this.windows().filter((seconds) => seconds >= 1.05 * reach && seconds >= this.link.window_s);
    if (enough.length > 0) this.setWindow(enough[0]);
    this.open(alert.symbol);
  }

  showSymbol(symbol) {
    this.overview.select(symbol);
    this.detail.select(symbol);
    const address = new URL(location.href);
    address.searchParams.set("s", symbol);
    history.replaceState(null, "", address);
    this.refit();
  }

  windowButtons() {
    return [...document.querySelectorAll("[data-window]")];
  }

  windows() {
    return this.windowButtons().map((button) => Number(button.dataset.window));
  }

  setWindow(seconds) {
    this.link.window_s = seconds;
    this.markWindow();
    this.refit();
  }

  /** Take the next longer (1) or shorter (-1) window, if there is one. */
  stepWindow(direction) {
    const windows = this.windows();
    const place = windows.indexOf(this.link.window_s) + direction;
    if (place >= 0 && place < windows.length) this.setWindow(windows[place]);
  }

  markWindow() {
    for (const button of this.windowButtons()) button.setAttribute("aria-pressed", Number(button.dataset.window) === this.link.window_s);
  }

  switchTheme() {
    toggle();
    const address = new URL(location.href);
    if (address.searchParams.has("theme")) {
      address.searchParams.set("theme", document.documentElement.dataset.theme);
      history.replaceState(null, "", address);
    }
    this.applyTheme();
  }

  applyTheme() {
    this.colours = tokens();
    colourFigures(this.link.document, this.colours);
    this.schedule();
  }

  schedule() {
    if (this.planned || document.hidden) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      this.paint();
    });
  }

  paint() {
    const { tick, link } = this;
    const late = (performance.now() - this.arrivedAt) / 1000;
    const state = this.status.write(tick, late, { connected: this.connected, rateHz: link.rate_hz, symbols: this.plan?.symbols.length ?? 0 });
    document.body.dataset.state = state;
    if (tick === null || this.plan === null) return;
    // A frozen number is never shown as live, whoever noticed: the pipeline or this page.
    const shown = { ...tick, state };
    this.overview.draw(shown, late, this.colours, SPARK_MS);
    this.detail.write(shown, late);
    this.anomalies.write(tick.venue_ms);
    if (tick.stamp_ms - this.fittedMs >= 1000) {
      this.fittedMs = tick.stamp_ms;
      this.detail.fit(tick);
    }
    if (this.status.announce(this.alerts, tick.venue_ms ?? 0)) this.overview.describeAll();
    this.acknowledge(tick.stamp_ms);
  }

  paintNow() {
    if (this.tick !== null && this.plan !== null) {
      this.overview.draw({ ...this.tick, state: this.status.state }, (performance.now() - this.arrivedAt) / 1000, this.colours, SPARK_MS);
    }
  }

  // After the frame is on the screen, so that a page that cannot paint is not sent more.
  acknowledge(stamp) {
    if (stamp === this.link.painted_ms || !this.connected) return;
    setTimeout(() => (this.link.painted_ms = stamp), 0);
  }

  disconnected() {
    this.connected = false;
    this.schedule();
    const address = new URL("viz/static/tokens.css", document.baseURI);
    const retry = async () => {
      try {
        const answer = await fetch(address, { cache: "no-store" });
        if (answer.ok) return location.reload();
      } catch {
        // Still away.
      }
      return setTimeout(retry, RETRY_MS);
    };
    setTimeout(retry, RETRY_MS);
  }
}

let board = null;
globalThis.cryptoctopus = {
  start: (models) => (board = new Board(models)),
  read: ({ index }) => board?.detail.read(index.line_indices[0] ?? null),
  disconnected: () => board?.disconnected(),
};
