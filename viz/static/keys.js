// The keyboard: everything a pointer can do.

const dialog = () => document.getElementById("keys");

export function bindKeys(board) {
  const actions = {
    "/": () => document.getElementById("filter").select(),
    "?": () => (dialog().open ? dialog().close() : dialog().showModal()),
    a: () => board.anomalies.next(),
    t: () => board.switchTheme(),
    "[": () => board.stepWindow(-1),
    "]": () => board.stepWindow(1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.id === "filter") return inFilter(event, board);
    if (event.key === "Escape" && !dialog().open) return back(event, board);
    if (dialog().open && event.key !== "?") return;
    if (event.key.startsWith("Arrow") && event.target === document.body) return back(event, board);
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
  document.getElementById("help").addEventListener("click", actions["?"]);
}

// Enter opens the first symbol that is left, Escape shows all again.
function inFilter(event, board) {
  if (event.key === "Escape") {
    event.target.value = "";
    board.overview.setFilter("");
    back(event, board);
  } else if (event.key === "Enter" && board.overview.nodes.length > 0) {
    board.overview.nodes[0].focus();
    board.open(board.overview.nodes[0].dataset.symbol);
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    board.overview.nodes[0]?.focus();
  }
  board.schedule();
}

function back(event, board) {
  event.preventDefault();
  board.overview.focus(board.overview.current);
}
