// Draws one cell of the overview. Pure: everything it shows is passed in.

import { age, percent, price, signed } from "./format.js";
import { isOld, noteOf } from "./states.js";

const PAD = 8;
const FADED = 0.45;

/**
 * @param ctx 2D context, in CSS pixels
 * @param box {x, y, width, height}
 * @param cell {symbol, price, places, volatility, regime, score, elevated, age, state, severity, runs, marks}
 * @param view {fromMs, toMs, colours, fonts}
 */
export function drawCell(ctx, box, cell, view) {
  const { colours } = view;
  const old = isOld(cell.state);
  ctx.fillStyle = colours.panel;
  ctx.fillRect(box.x, box.y, box.width, box.height);
  const tall = box.height >= 84;
  const headline = box.y + (tall ? 18 : 15);
  const left = tall ? 0 : 54;
  const spark = {
    x: box.x + PAD + left,
    y: box.y + (tall ? 42 : 22),
    width: box.width - 2 * PAD - left,
    height: box.height - (tall ? 50 : 28),
  };
  ctx.globalAlpha = old ? FADED : 1;
  drawSpark(ctx, spark, cell, view, old);
  ctx.globalAlpha = 1;
  if (old) hatch(ctx, box, colours.hair);
  if (cell.severity > 0) drawSeverity(ctx, box, cell.severity, colours.anomaly);
  drawWords(ctx, box, cell, view, { old, tall, headline });
}

function drawWords(ctx, box, cell, view, { old, tall, headline }) {
  const { colours, fonts } = view;
  const right = box.x + box.width - PAD;
  const second = tall ? box.y + 35 : box.y + box.height - 10;
  ctx.textBaseline = "alphabetic";
  const priceText = price(cell.price, cell.places);
  ctx.font = fonts.plain;
  ctx.textAlign = "right";
  ctx.fillStyle = old ? colours.muted : colours.secondary;
  ctx.fillText(priceText, right, headline);
  const room = box.width - 2 * PAD - ctx.measureText(priceText).width - 6;
  ctx.font = tall ? fonts.bold : fonts.name;
  ctx.textAlign = "left";
  ctx.fillStyle = old ? colours.muted : colours.text;
  // A long name is set narrower rather than over the price.
  ctx.fillText(cell.symbol, box.x + PAD, headline, room);
  ctx.font = tall ? fonts.bold : fonts.plain;
  ctx.fillStyle = old ? colours.muted : colours.vol;
  if (!tall) {
    const note = noteOf(cell.state, age(cell.age));
    if (note === null) ctx.fillText(percent(cell.volatility), box.x + PAD, second);
    else ctx.fillText(note, box.x + PAD, second);
    if (!old) {
      ctx.fillStyle = scoreColour(cell, colours);
      ctx.font = fonts.small;
      ctx.fillText(`z ${signed(cell.score)}`, box.x + PAD, second - 15);
    }
    return;
  }
  ctx.fillText(percent(cell.volatility), box.x + PAD, second);
  const used = ctx.measureText(`${percent(cell.volatility)} `).width;
  ctx.textAlign = "right";
  ctx.font = fonts.plain;
  const note = noteOf(cell.state, age(cell.age));
  const last = note ?? `z ${signed(cell.score)}`;
  ctx.fillStyle = note === null ? scoreColour(cell, colours) : colours.muted;
  ctx.fillText(last, right, second);
  const free = box.width - 2 * PAD - used - ctx.measureText(last).width;
  ctx.font = fonts.small;
  // Where there is room: the overview is read by its numbers.
  if (old || ctx.measureText(cell.regime).width + 6 > free) return;
  ctx.textAlign = "left";
  ctx.fillStyle = colours.muted;
  ctx.fillText(cell.regime, box.x + PAD + used, second);
}

function scoreColour(cell, colours) {
  return cell.severity > 0 ? colours.anomaly : colours.muted;
}

function drawSpark(ctx, box, cell, view, old) {
  const { colours } = view;
  const values = cell.runs.flatMap((run) => run.map(([, value]) => value));
  const top = 1.15 * Math.max(cell.elevated ?? 0, ...values);
  if (!(top > 0)) return;
  const x = (time) => box.x + (box.width * (time - view.fromMs)) / (view.toMs - view.fromMs);
  const y = (value) => box.y + box.height * (1 - value / top);
  for (const mark of cell.marks) shadeEpisode(ctx, box, mark, x, colours.anomaly);
  if (cell.elevated !== null) {
    ctx.strokeStyle = colours.threshold;
    ctx.lineWidth = 1;
    ctx.setLineDash([3, 3]);
    const level = Math.round(y(cell.elevated)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(box.x, level);
    ctx.lineTo(box.x + box.width, level);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  ctx.strokeStyle = old ? colours.muted : colours.vol;
  ctx.lineWidth = 1.5;
  ctx.lineJoin = "round";
  for (const run of cell.runs) {
    ctx.beginPath();
    run.forEach(([time, value], point) => (point === 0 ? ctx.moveTo : ctx.lineTo).call(ctx, x(time), y(value)));
    // A run of one point is a dot.
    if (run.length === 1) ctx.lineTo(x(run[0][0]) + 1, y(run[0][1]));
    ctx.stroke();
    fillUnder(ctx, box, run.map(([time]) => x(time)));
  }
  for (const mark of cell.marks) {
    if (mark.start >= view.fromMs && Number.isFinite(mark.volatility)) {
      triangle(ctx, x(mark.start), y(mark.volatility), mark.direction, colours);
    }
  }
}

// Volatility is a magnitude: the area down to zero is drawn too, faintly. Continues the path.
function fillUnder(ctx, box, xs) {
  const alpha = ctx.globalAlpha;
  ctx.lineTo(xs[xs.length - 1], box.y + box.height);
  ctx.lineTo(xs[0], box.y + box.height);
  ctx.globalAlpha = 0.12 * alpha;
  ctx.fillStyle = ctx.strokeStyle;
  ctx.fill();
  ctx.globalAlpha = alpha;
}

function shadeEpisode(ctx, box, mark, x, colour) {
  const from = Math.max(box.x, x(mark.start));
  const to = Math.min(box.x + box.width, x(mark.end));
  if (to < box.x) return;
  const alpha = ctx.globalAlpha;
  ctx.globalAlpha = 0.2 * alpha;
  ctx.fillStyle = colour;
  ctx.fillRect(from, box.y, Math.max(1, to - from), box.height);
  ctx.globalAlpha = alpha;
}

function triangle(ctx, x, y, direction, colours) {
  const tip = direction < 0 ? 5 : -5;
  ctx.beginPath();
  ctx.moveTo(x, y + tip);
  ctx.lineTo(x - 5, y - 0.7 * tip);
  ctx.lineTo(x + 5, y - 0.7 * tip);
  ctx.closePath();
  ctx.fillStyle = colours.anomaly;
  ctx.strokeStyle = colours.panel;
  ctx.lineWidth = 1;
  ctx.fill();
  ctx.stroke();
}

// One to three bars at the left edge: severity without colour.
function drawSeverity(ctx, box, severity, colour) {
  ctx.fillStyle = colour;
  const part = box.height / 3;
  for (let bar = 0; bar < severity; bar++) {
    ctx.fillRect(box.x, box.y + box.height - (bar + 1) * part + 1, 3, part - 2);
  }
}

function hatch(ctx, box, colour) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.x, box.y, box.width, box.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = box.x - box.height; x < box.x + box.width; x += 8) {
    ctx.moveTo(x, box.y + box.height);
    ctx.lineTo(x + box.height, box.y);
  }
  ctx.stroke();
  ctx.restore();
}
