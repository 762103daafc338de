// The list of anomalies, newest first; those that are part of one of the market stand under it.
// Symbols are input: they only ever become text.

import { age, clock, signed } from "./format.js";

/** The symbol of what all symbols do together, see pipeline/schema.py. */
const MARKET = "MARKET";

const RANK = { minor: 1, major: 2, critical: 3 };

/** Turn the columns of the `alerts` source into rows, oldest first. */
export function alertsOf(data) {
  const names = Object.keys(data);
  const length = names.length === 0 ? 0 : data[names[0]].length;
  return Array.from({ length }, (_, row) => Object.fromEntries(names.map((name) => [name, data[name][row]])));
}

export class Anomalies {
  /** `open(alert)` is called when the reader chooses one. */
  constructor(open) {
    this.open = open;
    this.body = document.getElementById("anomaly-rows");
    this.quiet = document.getElementById("quiet");
    this.total = document.getElementById("anomaly-count");
    this.rows = new Map();
    this.chosen = null;
    this.body.addEventListener("click", (event) => this.choose(event.target.closest("tr")));
    this.body.addEventListener("keydown", (event) => this.pressed(event));
  }

  /** Bring the list up to `alerts`: a row that is known is changed in place, so focus stays. */
  set(alerts) {
    this.alerts = new Map(alerts.map((alert) => [alert.alert_id, alert]));
    for (const [id, row] of this.rows) {
      if (!this.alerts.has(id)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    let below = null;
    for (const alert of alerts) {
      let row = this.rows.get(alert.alert_id);
      if (row === undefined) {
        row = makeRow(alert);
        this.rows.set(alert.alert_id, row);
      } else {
        fill(row, alert);
      }
      // A symbol that starts late brings old anomalies; a row in its place is not moved.
      if (row.parentNode === null || row.nextElementSibling !== below) this.body.insertBefore(row, below);
      below = row;
    }
    this.quiet.hidden = alerts.length > 0;
    const open = alerts.filter((alert) => alert.status === "open" && alert.parent_id === "");
    this.total.textContent = alerts.length === 0 ? "" : `${open.length} open, ${alerts.length} shown`;
    this.mark();
  }

  /** Show how long the open ones have lasted by `venueMs`. */
  write(venueMs) {
    for (const [id, row] of this.rows) {
      const alert = this.alerts.get(id);
      if (alert.status === "open" && venueMs !== null) row.lastChild.textContent = `open ${age((venueMs - alert.start_ms) / 1000)}`;
    }
  }

  mark() {
    const first = this.body.firstElementChild;
    for (const row of this.body.children) {
      row.tabIndex = row === (this.chosen?.isConnected ? this.chosen : first) ? 0 : -1;
    }
  }

  choose(row) {
    if (row === null) return;
    this.chosen = row;
    this.mark();
    this.open(this.alerts.get(row.dataset.id));
  }

  /** Go to the anomaly after the one chosen last; after the oldest comes the newest again. */
  next() {
    const row = (this.chosen?.isConnected ? this.chosen.nextElementSibling : null) ?? this.body.firstElementChild;
    if (row === null) return;
    row.focus();
    this.choose(row);
  }

  pressed(event) {
    const row = event.target.closest("tr");
    if (event.key === "Enter" || event.key === " ") this.choose(row);
    else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
    else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
    else return;
    event.preventDefault();
  }
}

function makeRow(alert) {
  const row = document.createElement("tr");
  row.dataset.id = alert.alert_id;
  row.title = `cryptoctopus explain ${alert.alert_id}`;
  for (const name of ["start", "symbol", "severity", "number", "number", "number"]) {
    const cell = document.createElement("td");
    cell.className = name;
    row.append(cell);
  }
  const bars = document.createElement("i");
  bars.setAttribute("aria-hidden", "true");
  row.children[2].append(bars, document.createElement("span"));
  const arrow = document.createElement("i");
  arrow.className = "arrow";
  arrow.setAttribute("aria-hidden", "true");
  row.children[4].append(arrow, document.createElement("span"));
  fill(row, alert);
  return row;
}

function fill(row, alert) {
  const [start, symbol, severity, peak, move, lasted] = row.children;
  row.dataset.status = alert.status;
  row.dataset.part = alert.parent_id !== "";
  start.textContent = clock(alert.start_ms);
  symbol.textContent = alert.symbol === MARKET ? `Market, ${alert.exceeding} of ${alert.members}` : alert.symbol;
  severity.firstChild.dataset.rank = RANK[alert.severity] ?? 1;
  severity.lastChild.textContent = alert.severity;
  peak.textContent = signed(alert.direction * alert.peak_score);
  move.firstChild.textContent = alert.direction < 0 ? "▼" : "▲";
  move.firstChild.dataset.direction = alert.direction < 0 ? "down" : "up";
  move.lastChild.textContent = signed(alert.move_bp, 0);
  if (alert.status === "retracted") lasted.textContent = "retracted";
  else if (alert.status === "closed") lasted.textContent = age((alert.end_ms - alert.start_ms) / 1000);
}
