// What the states of a symbol are called, see pipeline/conditions.py.

/** In words, for whoever looks at one symbol. */
export const STATES = {
  waiting: "waiting for the first trade",
  down: "feed down",
  stale: "stale",
  slow: "messages dropped, being fetched",
  healing: "missing trades being fetched",
  skewed: "clock of the venue or here is wrong",
  halted: "halted: the venue has no trades either",
  quiet: "quiet, as is usual for it",
  lossy: "some trades lost",
  delisted: "delisted, not watched any more",
  outranked: "others trade more, not watched any more",
  warming: "warming up",
  live: "",
};

/** What the regimes of volatility are called by their ranks; nothing is said of the usual one. */
const REGIMES = ["", "calm", "", "elevated", "extreme"];

/** The word for a regime, empty while there is nothing to say. */
export function regimeOf(rank) {
  return REGIMES[rank];
}

const OLD = new Set(["down", "stale", "halted", "quiet", "delisted", "outranked"]);

/** Whether the price of a symbol is no price any more. */
export function isOld(state) {
  return OLD.has(state);
}

/** In a cell, where there is room for a word and an age, in the place of the score; null for that. */
export function noteOf(state, ageText) {
  switch (state) {
    case "stale":
      return ageText;
    case "down":
      return `off ${ageText}`;
    case "halted":
    case "quiet":
      return `${state} ${ageText}`;
    // Of these the score is none, or is one of before.
    case "waiting":
    case "warming":
    case "slow":
    case "healing":
    case "delisted":
    case "outranked":
      return state;
    default:
      return null;
  }
}
