"use strict";
// Marks answers by keyboard: every step is sent to the program, which keeps it.

const desk = document.querySelector(".desk");
const question = desk.dataset.question;
const token = document.querySelector("meta[name=marking-token]").content;
const articles = [...document.querySelectorAll("article")];
const byId = (id) => document.getElementById(id);
const article = (code) => byId(`answer-${code}`);
const points = byId("points");
const comment = byId("comment");
let state = null; // what the program said: marks, rubric, groups, words
let current = null; // pseudonym of the answer that is being marked
let whole = false; // whether marks go to the whole group
let waiting = Promise.resolve(); // steps are sent one after the other
let refusals = 0; // of steps on marks that this page did not show: what was to follow is dropped
const drafts = new Map(); // comments by pseudonym that are not saved yet

function say(text, wrong = false) {
  const place = byId("said");
  place.textContent = text;
  place.classList.toggle("wrong", wrong);
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, key) => values[key] ?? all);
}

const mark = () => state.marks[current];
const number = (value) => String(Math.round(value * 100) / 100);

// Returns who is in the group of an answer, as far as they stand on this page.
function members(code = current) {
  const group = state.marks[code].group;
  return group === null ? [code] : state.groups[group].codes.filter(article);
}

// --- what is shown ---

function statusOf(given) {
  const words = state.words;
  if (!given.done) return given.by_person ? words.again : words.open;
  const text = given.by_person ? words.done : words.automatic;
  return `${text} · ${number(given.points)}/${number(state.maximum)}`;
}

function showAnswer(code) {
  const given = state.marks[code];
  article(code).classList.toggle("done", given.done);
  byId(`status-${code}`).textContent = statusOf(given);
  const ticked = given.items.map((index) => `✓ ${state.rubric[index].text}`);
  byId(`given-${code}`).textContent = [...ticked, given.comment].filter(Boolean).join("\n");
}

function showProgress() {
  const [done, total] = state.progress;
  byId("bar").value = done;
  byId("count").textContent =
    fill(state.words.of, { done, total }) + (done === total ? ` · ${state.words.all_done}` : "");
  const unseen = total - articles.length;
  if (unseen > 0) byId("count").textContent += ` · ${fill(state.words.unseen, { count: unseen })}`;
}

function showScope() {
  const words = state.words;
  const codes = members();
  const done = codes.filter((code) => state.marks[code].done).length;
  let text = "";
  if (codes.length > 1) {
    text = whole ? fill(words.group_on, { count: codes.length, done }) : words.group_off;
  }
  byId("scope").textContent = text;
  byId("group").setAttribute("aria-pressed", String(whole));
  byId("group").hidden = codes.length < 2;
  byId("panel").classList.toggle("whole", whole);
  for (const each of articles) {
    const together = whole && codes.includes(each.dataset.code);
    each.classList.toggle("with", together);
  }
}

function showPanel(anew = false) {
  const given = mark();
  const typing = anew ? null : document.activeElement; // a reply overwrites nothing being typed
  byId("current").textContent = current;
  state.rubric.forEach((item, index) => {
    byId(`item-${index}`).setAttribute("aria-pressed", String(given.items.includes(index)));
  });
  const value = given.done || given.by_person ? number(given.points ?? 0) : "";
  if (typing !== points) points.value = value;
  if (typing !== comment) comment.value = drafts.get(current) ?? given.comment;
  showScope();
}

function buildRubric() {
  const list = byId("rubric");
  if (state.rubric.length === 0) {
    const none = document.createElement("li");
    none.textContent = state.words.no_rubric;
    list.append(none);
  }
  state.rubric.forEach((item, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.id = `item-${index}`;
    const key = document.createElement("kbd");
    key.textContent = index < 9 ? String(index + 1) : "";
    const text = document.createElement("span");
    text.textContent = item.text;
    const worth = document.createElement("span");
    worth.className = "worth";
    worth.textContent = `+${number(item.points)}`;
    button.append(key, text, worth);
    button.addEventListener("click", () => toggle(index));
    const entry = document.createElement("li");
    entry.append(button);
    list.append(entry);
  });
  byId("maximum").textContent = `/ ${number(state.maximum)}`;
}

function buildPhrases() {
  const list = byId("phrases").querySelector("ol");
  list.replaceChildren();
  if (state.phrases.length === 0) {
    const none = document.createElement("li");
    none.textContent = state.words.no_phrases;
    list.append(none);
  }
  state.phrases.forEach((text, index) => {
    const use = document.createElement("button");
    use.type = "button";
    const key = document.createElement("kbd");
    key.textContent = index < 9 ? String(index + 1) : "";
    use.append(key, ` ${text}`);
    use.addEventListener("click", () => insert(text));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = state.words.forget;
    remove.setAttribute("aria-label", `${state.words.forget}: ${text}`);
    remove.addEventListener("click", () => send({ action: "forget", text }).then(buildPhrases));
    const entry = document.createElement("li");
    entry.append(use, remove);
    list.append(entry);
  });
}

// --- going from answer to answer ---

function go(code, focus = true) {
  if (current !== null) {
    saveComment();
    article(current).classList.remove("current");
    article(current).removeAttribute("aria-current");
  }
  if (current === null || !members().includes(code)) whole = false;
  current = code;
  const target = article(code);
  target.classList.add("current");
  target.setAttribute("aria-current", "true");
  showPanel(true);
  if (focus) {
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "start" });
  }
}

function move(by) {
  const index = articles.findIndex((each) => each.dataset.code === current);
  const next = articles[Math.min(Math.max(index + by, 0), articles.length - 1)];
  go(next.dataset.code);
}

function moveToOpen() {
  const codes = articles.map((each) => each.dataset.code);
  const start = codes.indexOf(current) + 1;
  const order = [...codes.slice(start), ...codes.slice(0, start)];
  const next = order.find((code) => !state.marks[code].done);
  if (next === undefined) say(state.words.all_done);
  else go(next);
}

// --- steps ---

// Returns what this page shows of the answers that a step is for; on anything else it is refused.
function seenOf(wish) {
  const codes = wish.group ? members(wish.answer) : [wish.answer];
  return Object.fromEntries(
    codes.map((code) => [code, [article(code).dataset.read, state.marks[code].seen]]),
  );
}

async function post(wish) {
  let reply;
  try {
    const answer = await fetch(`/do/${question}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Marking-Token": token },
      body: JSON.stringify({ ...wish, seen: wish.answer ? seenOf(wish) : {} }),
      keepalive: true, // the page may be left meanwhile
    });
    if (answer.headers.get("Content-Type").includes("json")) reply = await answer.json();
    else reply = { error: answer.status === 403 ? state.words.signed_out : `${answer.status}` };
  } catch {
    reply = { error: state.words.gone };
  }
  take(reply);
  if (!reply.error) return reply;
  say(fill(state.words.not_saved, { why: reply.error }), true);
  if (reply.changed) {
    refusals += 1;
    showPanel();
  }
  return null;
}

// Takes in what the program says of marks; answers that came since are not on this page.
function take(reply) {
  if (!reply.changed) return;
  Object.assign(state.marks, reply.changed);
  state.groups = reply.groups ?? state.groups;
  state.progress = reply.progress;
  state.step = reply.step;
  state.phrases = reply.phrases;
  Object.keys(reply.changed).filter(article).forEach(showAnswer);
  showProgress();
}

function inTurn(step) {
  const before = refusals;
  waiting = waiting.then(() => (refusals === before ? step() : null));
  return waiting;
}

function send(wish) {
  return inTurn(() => post(wish));
}

async function give(value, items) {
  const code = current;
  const reply = await send({ action: "points", answer: code, group: whole, points: value, items });
  if (reply) {
    const given = `${number(value)}/${number(state.maximum)}`;
    const names = Object.keys(reply.changed).join(", ") || code;
    sayGiven(`${names}: ${given}, ${state.words.saved}`, reply);
  }
  if (code === current) showPanel();
}

function toggle(index) {
  if (index >= state.rubric.length) return Promise.resolve();
  const code = current; // the marker may be further on when it is this step's turn
  const group = whole;
  // ticks follow each other faster than replies: each starts from what the last one left
  return inTurn(async () => {
    const ticked = new Set(state.marks[code].items);
    if (!ticked.delete(index)) ticked.add(index);
    const items = [...ticked].sort((a, b) => a - b);
    const sum = items.reduce((total, each) => total + state.rubric[each].points, 0);
    const value = Math.min(sum, state.maximum);
    const reply = await post({ action: "points", answer: code, group, points: value, items });
    if (reply) {
      const names = Object.keys(reply.changed).join(", ") || code;
      const given = `${number(value)}/${number(state.maximum)}`;
      sayGiven(`${names}: ${given}, ${state.words.saved}`, reply);
    }
    if (code === current) showPanel();
  });
}

// Reads 7.5, 7,5 and what a Chinese keyboard makes of them: ７．５, 7。5.
function typedPoints() {
  const text = points.value.normalize("NFKC").trim().replace(/[,。、]/, ".");
  return /^[-+]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : NaN;
}

async function savePoints() {
  const value = typedPoints();
  if (Number.isNaN(value)) {
    const why = fill(state.words.no_number, { text: points.value });
    if (points.value.trim()) say(fill(state.words.not_saved, { why }), true);
    showPanel(true);
    return;
  }
  if (mark().by_person && value === mark().points) return;
  await give(value, mark().items);
}

function saveComment() {
  const text = comment.value.trim();
  if (text === mark().comment) return Promise.resolve();
  const code = current;
  drafts.set(code, text);
  return send({ action: "comment", answer: code, group: whole, text }).then((reply) => {
    if (reply && drafts.get(code) === text) drafts.delete(code);
    const codes = reply ? Object.keys(reply.changed) : [];
    if (codes.length > 0) sayGiven(`${codes.join(", ")}: ${state.words.saved}`, reply);
  });
}

// Says what a step of marking gave, and how many of the group keep a mark of their own.
function sayGiven(text, reply) {
  say(reply.stay ? `${text}; ${fill(state.words.kept_own, { count: reply.stay })}` : text);
}

async function undo() {
  const reply = await inTurn(() => post({ action: "undo", step: state.step }));
  if (!reply) return;
  const codes = Object.keys(reply.changed).filter(article);
  const parts = [fill(state.words.undone, { names: codes.join(", ") })];
  if (reply.stay) parts.push(fill(state.words.kept_elsewhere, { count: reply.stay }));
  say(parts.join(" "));
  if (codes.length > 0 && !codes.includes(current)) {
    comment.value = mark().comment;
    go(codes[0]);
  } else {
    showPanel();
  }
}

function keepComment() {
  const text = comment.value.trim();
  if (!text) return Promise.resolve();
  return saveComment()
    .then(() => send({ action: "keep", text }))
    .then((reply) => reply && say(state.words.kept));
}

function insert(text) {
  byId("phrases").close();
  comment.value = [comment.value.trim(), text].filter(Boolean).join("\n");
  saveComment();
  article(current).focus({ preventScroll: true });
}

function switchGroup() {
  if (members().length < 2) return;
  whole = !whole;
  showScope();
  say(byId("scope").textContent);
}

function openDialog(id) {
  if (id === "phrases") buildPhrases();
  byId(id).showModal();
}

// --- keys ---

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  n: moveToOpen,
  p: () => { points.focus(); points.select(); },
  c: () => comment.focus(),
  r: () => openDialog("phrases"),
  g: switchGroup,
  u: undo,
  f: () => give(state.maximum, state.rubric.map((_, index) => index)),
  0: () => give(0, []),
  q: () => { byId("prompt").open = !byId("prompt").open; byId("prompt").scrollIntoView({ block: "center" }); },
  "?": () => openDialog("keys"),
};
for (let digit = 1; digit <= 9; digit += 1) KEYS[digit] = () => toggle(digit - 1);

// Whether a key belongs to an input method; some browsers send the last Enter after its end.
const isComposing = (event) => event.isComposing || event.keyCode === 229;

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isComposing(event)) return;
  const dialog = document.querySelector("dialog[open]");
  if (dialog) {
    const phrase = state.phrases[Number(event.key) - 1];
    if (dialog.id === "phrases" && phrase !== undefined) {
      event.preventDefault();
      insert(phrase);
    }
    return;
  }
  if (event.target.matches("input, textarea") || !byId("single-keys").checked) return;
  const key = event.key.toLowerCase(); // caps lock changes nothing
  if (!KEYS[key]) return;
  event.preventDefault();
  if (!event.repeat || "jk".includes(key)) KEYS[key](); // a key held down marks once
}

function backToAnswer() {
  article(current).focus({ preventScroll: true });
}

function listen() {
  document.addEventListener("keydown", pressed);
  points.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Enter") savePoints().then(backToAnswer);
    if (event.key === "Escape") { showPanel(true); backToAnswer(); }
  });
  points.addEventListener("change", savePoints);
  comment.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Escape" || (event.key === "Enter" && event.ctrlKey)) {
      event.preventDefault();
      saveComment();
      backToAnswer();
    } else if (event.key === "Enter" && event.altKey) {
      event.preventDefault();
      keepComment();
      backToAnswer();
    }
  });
  comment.addEventListener("change", saveComment);
  addEventListener("pagehide", saveComment);
  addEventListener("beforeunload", (event) => { if (drafts.size > 0) event.preventDefault(); });
  const clicks = {
    undo, group: switchGroup, full: KEYS.f, none: KEYS[0], keep: keepComment,
    help: () => openDialog("keys"), insert: () => openDialog("phrases"),
  };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
  for (const close of document.querySelectorAll("dialog .close")) {
    close.addEventListener("click", () => close.closest("dialog").close());
  }
  for (const each of articles) {
    const enter = () => { if (each.dataset.code !== current) go(each.dataset.code, false); };
    each.addEventListener("focusin", enter);
    each.addEventListener("click", enter);
  }
  for (const link of document.querySelectorAll(".text a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
}

async function start() {
  const answer = await fetch(`/state/${question}`);
  if (!answer.ok) return say(await answer.text(), true);
  state = await answer.json();
  buildRubric();
  articles.forEach((each) => showAnswer(each.dataset.code));
  showProgress();
  if (articles.length === 0) return;
  listen();
  const first = articles.find((each) => !state.marks[each.dataset.code].done) ?? articles[0];
  go(first.dataset.code);
}

start();
