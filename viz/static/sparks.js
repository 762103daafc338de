// The rows of the `spark` source, one row a closed bar of some symbol, as one line a symbol.

/** Return for each symbol its times and volatilities, in time order, the last of a time winning. */
export function linesOf(data, symbols) {
  const lines = Array.from({ length: symbols }, () => ({ t: [], v: [], sorted: true }));
  const { i, t, v } = data;
  for (let row = 0; row < i.length; row++) {
    const line = lines[i[row]];
    if (line.t.length > 0 && t[row] <= line.t[line.t.length - 1]) line.sorted = false;
    line.t.push(t[row]);
    line.v.push(v[row]);
  }
  for (const line of lines) if (!line.sorted) restate(line);
  return lines;
}

// Backfilled and restated bars come late.
function restate(line) {
  const newest = new Map(line.t.map((time, row) => [time, line.v[row]]));
  const ordered = [...newest].sort(([a], [b]) => a - b);
  line.t = ordered.map(([time]) => time);
  line.v = ordered.map(([, value]) => value);
}

/** Return the runs of points to draw: a missing value or step ends one, nothing is joined over it. */
export function runsOf(line, everyMs, fromMs) {
  const runs = [];
  let run = null;
  let before = -Infinity;
  for (let row = 0; row < line.t.length; row++) {
    const time = line.t[row];
    if (time < fromMs) continue;
    if (!Number.isFinite(line.v[row])) {
      run = null;
    } else {
      if (run === null || time - before > 1.5 * everyMs) runs.push((run = []));
      run.push([time, line.v[row]]);
    }
    before = time;
  }
  return runs;
}
