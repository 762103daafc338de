// The status bar, and the page's own judgement: a page that hears nothing says so.

import { age, clock, count, signed } from "./format.js";

/** Without a tick for this long the page stops calling itself live. */
export const SILENT_S = 3;

const ANNOUNCE_MS = 10000;

export class Status {
  constructor() {
    this.nodes = Object.fromEntries(
      ["state", "clock", "live", "trades", "age", "recent", "market", "reduced", "rate", "reason", "announcer", "alarm"].map((id) => [id, document.getElementById(id)]),
    );
    this.announcedAt = performance.now();
    this.state = "starting";
  }

  /** Judge what to say: the pipeline's state, unless the page itself has lost touch. */
  judge(tick, late, connected) {
    if (!connected) return ["offline", "connection to the board lost, trying again"];
    if (tick === null) return ["starting", "waiting for the pipeline"];
    if (late > SILENT_S) return ["stale", `nothing from the board for ${Math.floor(late)} s`];
    return [tick.state, tick.reason];
  }

  write(tick, late, { connected, rateHz, symbols }) {
    const { nodes } = this;
    const [state, reason] = this.judge(tick, late, connected);
    nodes.state.dataset.state = state;
    nodes.state.lastElementChild.textContent = state.toUpperCase();
    text(nodes.reason, reason);
    text(nodes.clock, clock(Date.now()));
    nodes.reduced.hidden = rateHz >= 4;
    text(nodes.rate, `${rateHz} Hz`);
    if (tick !== null) {
      text(nodes.live, `${state === "live" ? tick.live : 0} / ${symbols}`);
      text(nodes.trades, count(state === "live" ? tick.trades_per_s : null));
      text(nodes.age, age(tick.age_s === null ? null : tick.age_s + late));
      text(nodes.recent, count(tick.recent_alerts));
      text(nodes.market, signed(state === "live" ? tick.market_score : null));
    }
    this.alarm(state, reason);
    return state;
  }

  // Losing the feed is said at once, everything else in its own time.
  alarm(state, reason) {
    const lost = state === "offline" || state === "stale";
    if (lost && state !== this.state) text(this.nodes.alarm, `${state}: ${reason}`);
    if (!lost) text(this.nodes.alarm, "");
    this.state = state;
  }

  /** Say in a sentence what happened lately, at most every ten seconds and only when it is new. */
  announce(alerts, nowMs) {
    if (performance.now() - this.announcedAt < ANNOUNCE_MS) return false;
    this.announcedAt = performance.now();
    const fresh = alerts.filter((alert) => alert.start_ms > nowMs - 60000 && alert.status !== "retracted" && alert.parent_id === "");
    if (fresh.length > 0) {
      const highest = fresh.reduce((a, b) => (b.peak_score > a.peak_score ? b : a));
      const noun = fresh.length === 1 ? "anomaly" : "anomalies";
      text(this.nodes.announcer, `${fresh.length} ${noun} in the last minute, highest ${highest.symbol} z ${highest.peak_score.toFixed(1)}`);
    }
    return true;
  }
}

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}
