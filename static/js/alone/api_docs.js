// @ts-check
/** Shows the OpenAPI document with Swagger UI, which is a classic script: it leaves SwaggerUIBundle in the window. */

const place = /** @type {HTMLElement} */ (document.querySelector("[data-schema]"));

/** @param {{method?: string, headers: Record<string, string>}} request */
function withCsrf(request) {
  const cookie = document.cookie.split("; ").find((each) => each.startsWith("signalbox_csrf="));
  if (cookie && (request.method ?? "GET") !== "GET") request.headers["X-CSRFToken"] = cookie.slice("signalbox_csrf=".length);
  return request;
}

// @ts-ignore
window.SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  requestInterceptor: withCsrf,
  deepLinking: true,
  persistAuthorization: false,
  docExpansion: "list",
  validatorUrl: null,
});
