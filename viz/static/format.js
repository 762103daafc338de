// Numbers and times as the board writes them. Missing is an en dash, never 0 or NaN.

export const MISSING = "–";
const MINUS = "−";

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

/** Decimals that show a price down to its smallest step: 0.01 -> 2. */
export function decimals(tickSize) {
  return Math.max(0, Math.ceil(-Math.log10(tickSize) - 1e-9));
}

export function price(value, places) {
  if (!known(value)) return MISSING;
  return value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
}

/** An annualised fraction as a percentage: 0.634 -> "63.4 %". */
export function percent(value) {
  return known(value) ? `${(100 * value).toFixed(1)} %` : MISSING;
}

export function signed(value, places = 1) {
  if (!known(value)) return MISSING;
  const text = Math.abs(value).toFixed(places);
  if (Number(text) === 0) return text;
  return (value < 0 ? MINUS : "+") + text;
}

/** What an order book says, as "spread 0.20 bp, imbalance +0.32"; nothing without one. */
export function bookWords(spread, imbalance) {
  if (!known(spread)) return "";
  const sizes = known(imbalance) ? `, imbalance ${signed(imbalance, 2)}` : "";
  return `spread ${spread.toFixed(2)} bp${sizes}`;
}

/** Seconds as "0.8 s", "42 s", "3 m", "2 h", "4 d". */
export function age(seconds) {
  if (!known(seconds)) return MISSING;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.floor(seconds)} s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Milliseconds since the epoch as "14:03:07" UTC. */
export function clock(milliseconds) {
  return known(milliseconds) ? new Date(milliseconds).toISOString().slice(11, 19) : MISSING;
}

export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en-US") : MISSING;
}
