// @ts-check
/** A page of rows beside jobs, kept up: <main data-news="kind:fetch_feed"> names the topics, [data-keep] the parts. */

import * as alerts from "../live/alerts.js";
import { Link } from "../live/link.js";
import { keep, topicsOf } from "../parts/kept.js";

/** @param {HTMLElement} main */
function start(main) {
  const topics = topicsOf(main);
  const soon = keep(main);
  const link = new Link((frame) => {
    if (frame.type === "news" && topics.some((topic) => frame.topics.includes(topic))) soon();
  });
  link.watch("news", { type: "watch", news: [...new Set([...topics, ...alerts.WATCH.news])] });
  link.open();
}

const main = document.querySelector("main[data-news]");
if (main instanceof HTMLElement) start(main);
