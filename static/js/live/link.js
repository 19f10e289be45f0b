// @ts-check
/** The link of a page to the server: its badge says how far the page may be believed, and what the link is doing. */

import { at } from "../parts/address.js";
import { put } from "../parts/put.js";
import * as time from "../parts/time.js";
import * as alerts from "./alerts.js";
import { Badge } from "./badge.js";
import { Freshness } from "./freshness.js";
import { Socket } from "./socket.js";

export class Link extends Socket {
  freshness = new Freshness();
  linked = false;
  /** Why, once it is for good. */
  ended = "";

  /** @param {(frame: any) => void} [onFrame] @param {() => boolean|undefined} [paused] */
  constructor(onFrame, paused) {
    let hint = "";
    super(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${at("ws/live/")}`, {
      onFrame: (frame) => {
        // The first job frame was read just now; how old the whole picture is, the next beat says.
        this.freshness.update(frame.type === "job" && this.freshness.age() === null ? { age: 0 } : frame);
        time.learn(frame);
        onFrame?.(frame);
        alerts.update(frame);
        this.badge.update();
      },
      onLink: (link, wait) => {
        this.linked = link === "open";
        hint = link === "waiting" ? `Disconnected; reconnecting in ${Math.ceil(wait)} s` : "";
        this.badge.show();
      },
      onEnd: (code, reason) => {
        if (!this.badge.element) return; // a form that somebody fills in stays as it is
        if (code === 4401) toLogin();
        this.ended = reason || "You no longer have access to this page.";
        put(document.querySelector("[data-announce]"), this.ended);
        this.badge.show();
      },
    });
    this.badge = new Badge(this.freshness, () => ({ linked: this.linked, ended: this.ended, hint, paused: paused?.() }));
    addEventListener("online", () => this.reconnectNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.reconnectNow());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }
}

function toLogin() {
  location.assign(`${document.body.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`);
}
