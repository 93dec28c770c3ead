// The page: puts the parts together and holds what is open, what runs and what was said.

import { ask, call, run, setTokenPrompt } from "./api.js";
import { Databases } from "./databases.js";
import { bindDialogs, Drawer, promptForToken, toggleTheme } from "./dialogs.js";
import { byId, element, icon, placeIcons, toast } from "./dom.js";
import { insertText } from "./editor.js";
import { exampleQuestions } from "./examples.js";
import { History } from "./history.js";
import { errorNotice } from "./notices.js";
import { SchemaTree } from "./schema.js";
import { bindShortcuts } from "./shortcuts.js";
import { Turn } from "./turn.js";

const question = byId("question");
let conversation = null; // the server's id of the conversation, once a question was answered
let turns = [];
let running = null; // the AbortController of the question or query that runs
let target = question; // the text field that gets names from the tree
let recalled = -1; // which earlier question the up key shows

placeIcons(document);
bindDialogs();
setTokenPrompt(promptForToken);
const drawer = new Drawer();
const history = new History(again);
const tree = new SchemaTree(insertName);
const databases = new Databases({ onSelect: openDatabase, onError: showPageError });

/** Does one thing at a time: `work(signal)` resolves to an answer that the turn then shows. */
async function perform(turn, text, work, byHand) {
  if (running) return toast("A question is still running. Escape stops it.");
  const retry = () => perform(turn, text, work, byHand);
  const mine = new AbortController();
  running = mine;
  setBusy(true);
  turn.start(text);
  try {
    const answer = await work(mine.signal);
    turn.show(answer, byHand);
    remember(turn, answer, byHand);
  } catch (error) {
    if (error.name === "AbortError") turn.stopped(retry);
    else turn.fail(error, retry);
  } finally {
    if (running === mine) free();
  }
}

function remember(turn, answer, byHand) {
  const failed = !answer.sql || Boolean(answer.error);
  if (!byHand) conversation = answer.conversation ?? conversation;
  history.add({ question: byHand ? "" : turn.question, sql: answer.sql, database: turn.database.name, url: turn.database.url, failed });
  drawFollowUp();
}

function free() {
  running = null;
  setBusy(false);
}

function setBusy(busy) {
  byId("stop").hidden = !busy;
  byId("send").hidden = busy;
  if (!busy && document.activeElement === document.body) question.focus();
}

function addTurn(text) {
  const turn = new Turn({ question: text, database: databases.current, actions: { run: runIn } });
  for (const older of turns) older.setOpen(false);
  turns.unshift(turn);
  byId("turns").prepend(turn.element);
  byId("main").classList.add("talking");
  byId("examples").hidden = true;
  return turn;
}

function askQuestion(text) {
  const words = text.trim();
  if (!words) return question.focus();
  if (!databases.current) return ready.then(() => (databases.current ? askQuestion(text) : databases.open()));
  if (running) return toast("A question is still running. Escape stops it.");
  byId("page-error").replaceChildren();
  const turn = addTurn(words);
  const body = { question: words, database: databases.current.id, ...(conversation ? { conversation } : {}) };
  question.value = "";
  recalled = -1;
  const send = (signal) => ask(body, { signal, onSql: (sql) => turn.stream(sql) });
  perform(turn, "Reading the question", (signal) => send(signal).catch((error) => {
    if (error.status !== 404 || !body.conversation) throw error;
    delete body.conversation; // the server has forgotten the conversation: the question opens a new one
    return send(signal);
  }), false);
}

function runIn(turn, sql) {
  if (!sql.trim()) return toast("There is no SQL to run.");
  perform(turn, "Running", (signal) => run({ sql, database: turn.database.id }, signal), true);
}

/** From the history: in the same database where that is open. */
function again(entry) {
  const same = databases.all.find((database) => database.url === entry.url);
  if (same && same.id !== databases.current?.id) databases.select(same);
  else if (!same && databases.current) toast(`${entry.database} is not open: asking ${databases.current.name}`);
  if (entry.question) return askQuestion(entry.question);
  if (!databases.current) return databases.open();
  const turn = addTurn("");
  turn.stream(entry.sql);
  runIn(turn, entry.sql);
}

async function openDatabase(database) {
  newConversation();
  byId("welcome").hidden = Boolean(database);
  byId("ask-section").hidden = !database;
  byId("current-database").textContent = database ? database.name : "";
  if (!database) return tree.clear("Tables appear here once a database is open.");
  tree.clear("Reading the tables…");
  try {
    const schema = await call(`schema?database=${encodeURIComponent(database.id)}`);
    if (database.id !== databases.current?.id) return; // another one was chosen meanwhile
    tree.show(schema.tables);
    showExamples(schema.tables);
  } catch (error) {
    tree.clear("");
    showPageError(error, () => openDatabase(database));
  }
}

function showExamples(tables) {
  const questions = exampleQuestions(tables);
  byId("example-list").replaceChildren(...questions.map((text) => element("li", {},
    element("button", { type: "button", class: "example", onclick: () => askQuestion(text) }, text, icon("chevron")))));
  byId("examples").hidden = questions.length === 0 || turns.length > 0;
}

function newConversation() {
  running?.abort();
  free();
  conversation = null;
  turns = [];
  byId("main").classList.remove("talking");
  byId("turns").replaceChildren();
  byId("page-error").replaceChildren();
  byId("examples").hidden = byId("example-list").childElementCount === 0;
  drawFollowUp();
}

function drawFollowUp() {
  const last = turns.find((turn) => turn.question && turn.asked);
  byId("follow-up").hidden = turns.length === 0;
  byId("follow-up-text").textContent = conversation && last ? `Follow up on “${last.question}”, or start anew.` : "";
}

function showPageError(error, retry) {
  const again = () => { byId("page-error").replaceChildren(); retry(); };
  byId("page-error").replaceChildren(errorNotice(error, again));
}

function insertName(name) {
  const field = target.isConnected && !target.readOnly ? target : question;
  const inSql = field !== question;
  const mark = databases.current?.dialect === "mysql" ? "`" : '"';
  const parts = inSql ? name.split(".").map((part) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : mark + part.replaceAll(mark, mark + mark) + mark)) : [name];
  if (drawer.isOpen) drawer.set(false, false);
  insertText(field, parts.join("."));
}

function escape() {
  if (running) return running.abort();
  if (drawer.isOpen) return drawer.set(false);
  if (document.activeElement?.matches("input, textarea")) document.activeElement.blur();
}

/** Up and down in an empty box walk through earlier questions. */
function recall(step) {
  const earlier = history.questions;
  recalled = Math.max(-1, Math.min(earlier.length - 1, recalled + step));
  question.value = earlier[recalled] ?? "";
}

question.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const untouched = question.value === "" || question.value === history.questions[recalled];
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    askQuestion(question.value);
  } else if ((event.key === "ArrowUp" || (event.key === "ArrowDown" && recalled >= 0)) && untouched) {
    event.preventDefault();
    recall(event.key === "ArrowUp" ? 1 : -1);
  }
});
byId("ask-form").addEventListener("submit", (event) => { event.preventDefault(); askQuestion(question.value); });
document.addEventListener("focusin", ({ target: field }) => { if (field === question || field.matches(".sql-field")) target = field; });
byId("stop").addEventListener("click", () => { running?.abort(); question.focus(); });
const startAnew = () => { newConversation(); question.focus(); };
const find = () => { drawer.set(true, false); byId("schema-filter").focus(); };
const onClick = {
  "new-conversation": startAnew,
  "open-history": () => history.open(),
  "open-help": () => byId("help-dialog").showModal(),
  "toggle-theme": toggleTheme,
  "open-connect": () => databases.open(),
  "welcome-connect": () => databases.open(),
};
for (const [id, action] of Object.entries(onClick)) byId(id).addEventListener("click", action);
bindShortcuts({
  "/": ["Go to the question", () => question.focus()],
  f: ["Filter tables and columns", find],
  n: ["New conversation", startAnew],
  d: ["Add a database", onClick["open-connect"]],
  h: ["History", onClick["open-history"]],
  t: ["Light or dark", toggleTheme],
  "?": ["This list", onClick["open-help"]],
}, escape);

call("health").then(({ model, version }) => { byId("model-name").textContent = `${model} · text2sql ${version}`; }, () => { /* the list below reports it */ });
const ready = databases.refresh().then(() => question.focus()); // a question asked earlier waits for the databases
