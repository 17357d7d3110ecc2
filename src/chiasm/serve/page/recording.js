// A sound to ask with, recorded here. The microphone is asked for only once its button was pressed.
import * as api from "./api.js";
import { tell } from "./bus.js";
import { $ } from "./dom.js";
import { askable, askWith } from "./files.js";
import { icon } from "./icons.js";
import { say } from "./words.js";

const MOST = 30; // seconds, then it stops by itself

const button = $("record");
let recorder = null;
let clock = 0;

/** The button is there where the browser can record and the server can be asked with sounds. */
export function furnishRecording() {
  button.hidden = !(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder && askable().includes("audio"));
}

button.addEventListener("click", async () => {
  if (recorder) {
    recorder.stop();
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    tell("trouble", new api.Failed(0, { message: say("noMicrophone") }));
    return;
  }
  const parts = [];
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  recorder.addEventListener("stop", () => {
    stream.getTracks().forEach((track) => track.stop());
    const type = recorder.mimeType.split(";")[0];
    recorder = null;
    clearInterval(clock);
    drawn(0);
    askWith(new File(parts, "", { type }));
  });
  recorder.start();
  let seconds = 0;
  drawn(seconds);
  clock = setInterval(() => {
    seconds += 1;
    drawn(seconds);
    if (seconds >= MOST) recorder.stop();
  }, 1000);
});

function drawn(seconds) {
  const label = recorder ? say("stopRecording", { n: seconds }) : say("record");
  button.classList.toggle("recording", Boolean(recorder));
  button.replaceChildren(icon(recorder ? "stop" : "mic"));
  button.setAttribute("aria-label", label);
  button.title = label;
}
