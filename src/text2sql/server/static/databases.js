// The open databases: list, choose, connect by address, upload by button or by dropping files, close.

import { call } from "./api.js";
import { announce, button, byId, element, icon, toast } from "./dom.js";
import { load, save } from "./storage.js";

export class Databases {
  /** `onSelect(database)` hears of every change (null: none is open), `onError(error, retry)` of failures outside the dialog. */
  constructor({ onSelect, onError }) {
    this.onSelect = onSelect;
    this.onError = onError;
    this.all = [];
    this.current = null;
    this.dialog = byId("connect-dialog");
    byId("connect-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const url = byId("connect-url").value.trim();
      if (url) this.add("Connecting…", { json: { url } }, "databases");
    });
    byId("upload-files").addEventListener("change", ({ target }) => {
      if (target.files.length) this.upload([...target.files]);
      target.value = "";
    });
    this.listenForDrops();
  }

  open() {
    byId("connect-error").textContent = "";
    byId("connect-status").textContent = "";
    if (!this.dialog.open) this.dialog.showModal();
    byId("connect-url").focus();
  }

  /** Reads the list; the database used last comes back, else the server's first. */
  async refresh() {
    try {
      this.all = (await call("databases")).databases;
    } catch (error) {
      this.onError(error, () => this.refresh());
      return;
    }
    const last = load("lastDatabase", null);
    const known = (database) => database.id === this.current?.id;
    this.select(this.all.find(known) ?? this.all.find((database) => database.url === last) ?? this.all[0] ?? null);
  }

  upload(files) {
    const form = new FormData();
    for (const file of files) form.append("files", file);
    if (!this.dialog.open) this.open();
    this.add(`Reading ${files.map((file) => file.name).join(", ")}…`, { form }, "uploads");
  }

  async add(status, body, path) {
    const controls = this.dialog.querySelectorAll("button[type=submit], input");
    byId("connect-error").textContent = "";
    byId("connect-status").textContent = status;
    for (const control of controls) control.disabled = true;
    try {
      const added = await call(path, { method: "POST", ...body });
      this.all = [...this.all.filter((database) => database.id !== added.id), added];
      byId("connect-form").reset();
      this.dialog.close();
      toast(`${added.name} is open`);
      this.select(added);
      byId("question").focus();
    } catch (error) {
      byId("connect-error").textContent = error.message;
    } finally {
      byId("connect-status").textContent = "";
      for (const control of controls) control.disabled = false;
    }
  }

  select(database) {
    this.current = database;
    if (database) save("lastDatabase", database.url);
    this.draw();
    this.onSelect(database);
  }

  async close(database) {
    try {
      await call(`databases/${encodeURIComponent(database.id)}`, { method: "DELETE" });
    } catch (error) {
      toast(error.message);
      return;
    }
    announce(`${database.name} is closed`);
    this.all = this.all.filter((other) => other.id !== database.id);
    if (this.current?.id === database.id) this.select(this.all[0] ?? null);
    else this.draw();
    byId("open-connect").focus();
  }

  draw() {
    byId("databases").replaceChildren(...this.all.map((database) => this.item(database)));
    const warnings = this.current?.warnings ?? [];
    byId("database-warnings").replaceChildren(...warnings.map((warning) =>
      element("p", { class: "warning" }, icon("warning"), element("span", {}, warning))));
  }

  item(database) {
    const chosen = database.id === this.current?.id;
    const choose = element("button", { type: "button", class: "database", title: database.url, "aria-current": chosen ? "true" : null,
      onclick: () => { if (database.id !== this.current?.id) this.select(database); } },
    icon("database"), element("span", { class: "database-name" }, database.name), element("span", { class: "dialect" }, database.dialect));
    const close = button("", "close", () => this.close(database),
      { class: "icon-button small", "aria-label": `Close ${database.name}`, title: "Close (the server forgets an uploaded file)" });
    return element("li", {}, choose, close);
  }

  /** Files may be dropped anywhere on the page. */
  listenForDrops() {
    const target = byId("drop-target");
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      target.hidden = false;
    });
    addEventListener("dragleave", (event) => { if (event.relatedTarget === null) target.hidden = true; });
    addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      target.hidden = true;
      if (event.dataTransfer.files.length) this.upload([...event.dataTransfer.files]);
    });
  }
}
