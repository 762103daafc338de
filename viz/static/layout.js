// Where the cells of the overview go. Pure.

export const CELL = { width: 148, height: 56, tallest: 136, gap: 6 };

/**
 * Columns as many as fit, then as few as the same number of rows needs, so that no row is
 * nearly empty; cells grow to fill the height they are given, within reason.
 */
export function gridOf(cells, width, height) {
  const { gap } = CELL;
  const most = Math.max(2, Math.floor((width + gap) / (CELL.width + gap)));
  const rows = Math.max(1, Math.ceil(cells / most));
  const columns = Math.max(1, Math.min(most, Math.ceil(cells / rows)));
  const cellWidth = (width - (columns - 1) * gap) / columns;
  const fair = Math.floor((height + gap) / rows) - gap;
  const cellHeight = Math.min(CELL.tallest, Math.max(CELL.height, fair));
  return { columns, rows, cellWidth, cellHeight, height: rows * (cellHeight + gap) - gap };
}

/** Return the box of a cell in a grid, whole pixels so that nothing blurs. */
export function boxOf(grid, place) {
  const column = place % grid.columns;
  const row = Math.floor(place / grid.columns);
  const x = Math.round(column * (grid.cellWidth + CELL.gap));
  const right = Math.round(column * (grid.cellWidth + CELL.gap) + grid.cellWidth);
  return { x, y: row * (grid.cellHeight + CELL.gap), width: right - x, height: grid.cellHeight };
}

/** Return the place an arrow key leads to, from `place` among `cells`. */
export function step(grid, place, key, cells) {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns };
  const target = place + moves[key];
  return target < 0 || target >= cells ? place : target;
}
