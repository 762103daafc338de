// The theme: tokens.css is the only source of colours, also for the canvas and for Bokeh.

const NAMES = [
  "page", "panel", "raised", "hair", "text", "secondary", "muted", "price", "vol", "z",
  "threshold", "anomaly", "up", "down", "focus", "font",
];

/** The tokens in use, by name. */
export function tokens() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Colour every model of the document whose tag names tokens, without telling the server. */
export function colourFigures(bokehDocument, colours) {
  for (const model of bokehDocument._all_models.values()) {
    for (const tag of model.tags) {
      if (!tag.colours) continue;
      const values = Object.entries(tag.colours).map(([property, name]) => [property, asValue(model, property, colours[name])]);
      model.setv(Object.fromEntries(values), { sync: false });
    }
  }
}

// A glyph's colour is a specification that could also name a column; an axis' is plain text.
function asValue(model, property, colour) {
  const current = model[property];
  return current !== null && typeof current === "object" ? { value: colour } : colour;
}

export function toggle() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}
