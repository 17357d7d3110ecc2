// Who asks: a token is traded for a cookie, since pictures on a page send no token.
import * as api from "./api.js";
import { hear } from "./bus.js";
import { $, make, show } from "./dom.js";
import { reason } from "./states.js";
import { say } from "./words.js";

const KEPT = "chiasm.entered";
const dialog = $("login");

/** Whether this visitor logged in here, and so can log out. */
export const entered = () => {
  try {
    return sessionStorage.getItem(KEPT) === "1";
  } catch {
    return false;
  }
};

hear("stranger", () => {
  if (dialog.open) return;
  const said = make("p", { class: "wrong", role: "alert" });
  const field = make("input", { id: "token", type: "password", required: true, maxlength: 200, autocomplete: "current-password" });
  const form = make(
    "form",
    {},
    make("h2", { id: "login-head" }, say("login")),
    make("p", { class: "quiet" }, say("loginSaid")),
    make("label", { for: "token" }, say("token")),
    make("div", { class: "row" }, field, make("button", { class: "strong" }, say("loginDo"))),
    said,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await api.login(field.value.trim());
      try {
        sessionStorage.setItem(KEPT, "1");
      } catch {
        // storage may be forbidden: then logging out is not offered
      }
      location.reload();
    } catch (error) {
      said.textContent = reason(error);
      field.select();
    }
  });
  dialog.replaceChildren(form);
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // without a token there is nothing behind it
  show(dialog);
  field.focus();
});
