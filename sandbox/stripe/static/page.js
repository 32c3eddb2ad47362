/* The sandbox's own page: the newest payments, what is on its way, and the knobs. */
"use strict";
const $ = (id) => document.getElementById(id);
const money = (amount, currency) => new Intl.NumberFormat("en-US", { style: "currency", currency }).format(amount / 100);

async function ask(method, what, body) {
  const request = { method, headers: { "Content-Type": "application/json" } };
  if (body) request.body = JSON.stringify(body);
  const answer = await fetch(`/_sandbox/${what}`, request);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error?.message || said.error || "That did not work.");
  return said;
}

function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", async () => {
    try {
      await act();
      $("said").textContent = `Done: ${label.toLowerCase()}.`;
    } catch (failure) {
      $("said").textContent = failure.message;
    }
    await refresh();
  });
  return made;
}

function cell(content, className) {
  const made = document.createElement("td");
  if (className) made.className = className;
  made.append(...[].concat(content));
  return made;
}

function deeds(payment) {
  const trigger = (what, more) => () => ask("POST", "trigger", { what, payment_intent: payment.id, ...more });
  if (payment.status === "processing") return [button("Settle", trigger("settle")), button("Fail", trigger("fail_debit"))];
  if (payment.status !== "succeeded") return ["–"];
  if (payment.disputed) return [button("Dispute won", trigger("close_dispute", { won: true })), button("Dispute lost", trigger("close_dispute", { won: false }))];
  return payment.amount_refunded < payment.amount ? [button("Refund", trigger("refund")), button("Dispute", trigger("dispute"))] : ["–"];
}

function group(nodes) {
  const made = document.createElement("div");
  made.className = "acts";
  made.append(...nodes);
  return made;
}

function row(payment) {
  const made = document.createElement("tr");
  const name = document.createElement("code");
  name.textContent = payment.id;
  const what = document.createElement("small");
  what.textContent = payment.description || new Date(payment.created * 1000).toLocaleString("en-US");
  const back = document.createElement("small");
  back.textContent = payment.amount_refunded ? `${money(payment.amount_refunded, payment.currency)} refunded` : "";
  made.append(cell([name, what]), cell([money(payment.amount, payment.currency), back], "amount"),
    cell(payment.disputed ? `${payment.status}, disputed` : payment.status.replaceAll("_", " ")), cell(group(deeds(payment))));
  return made;
}

async function refresh() {
  const [payments, state, knobs] = await Promise.all([ask("GET", "payments"), ask("GET", "state"), ask("GET", "knobs")]);
  if (payments.length) $("rows").replaceChildren(...payments.map(row));
  const waiting = state.queued + state.under_way + state.timed + state.batched;
  $("state").textContent = `${state.objects.events} events made, ${waiting} on their way, ${state.held} held back. ` +
    (knobs.webhook_url ? `They go to ${knobs.webhook_url}.` : "No address is set: they are only listed.");
  const bodies = Object.entries(knobs).map(([name, value]) => {
    const made = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    for (const [node, text] of [[head, name], [made, null]]) if (text) { const code = document.createElement("code"); code.textContent = text; node.append(code); }
    const shown = document.createElement("code");
    shown.textContent = name === "webhook_secrets" ? `${value.length} secret${value.length === 1 ? "" : "s"}` : JSON.stringify(value);
    made.append(head, cell(shown));
    return made;
  });
  $("values").tBodies[0].replaceChildren(...bodies);
  $("names").replaceChildren(...Object.keys(knobs).map((name) => new Option(name, name)));
}

const guarded = (act) => async (event) => {
  event.preventDefault();
  try {
    await act(event);
    $("said").textContent = "Done.";
  } catch (failure) {
    $("said").textContent = failure.message;
    $("said").scrollIntoView({ block: "center" });
  }
  await refresh();
};
document.querySelectorAll("[data-knobs]").forEach((node) => node.addEventListener("click", guarded(() => ask("POST", "knobs", JSON.parse(node.dataset.knobs)))));
$("resume").addEventListener("click", guarded(() => ask("POST", "resume", {})));
$("payout").addEventListener("click", guarded(() => ask("POST", "trigger", { what: "payout" })));
$("reset").addEventListener("click", guarded(() => ask("POST", "reset", {})));
$("refresh").addEventListener("click", () => refresh());
$("turn").addEventListener("submit", guarded((event) => {
  const { name, value } = Object.fromEntries(new FormData(event.target));
  let typed = value;
  try { typed = JSON.parse(value); } catch { /* a text */ }
  return ask("POST", "knobs", { [name]: typed });
}));
refresh();
