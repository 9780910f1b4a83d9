// A box on the photo, drawn and changed by mouse, finger or keyboard.
// In: the elements. Out: `onChange` gets x1, y1, x2, y2 in pixels of the photo when the box is let go.

const LEAST = 12; // pixels of the screen
const STEP = 0.02; // of a side, per key

export class BoxEditor {
  constructor(stage, image, box, onChange) {
    Object.assign(this, { stage, image, box, onChange, drawing: false, corners: null });
    this.size = { width: 1, height: 1 };
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", () => { this.held = null; });
    box.addEventListener("keydown", (event) => this.#key(event));
  }

  // Pixels of the photo, which the browser may show smaller.
  setSize(width, height) {
    this.size = { width, height };
  }

  draw(on) {
    this.drawing = on;
    this.stage.classList.toggle("drawing", on);
  }

  show(corners) {
    this.corners = corners;
    this.box.hidden = !corners;
    if (corners) place(this.box, corners, this.size);
  }

  focus() {
    if (!this.corners) this.show([0.2 * this.size.width, 0.15 * this.size.height, 0.8 * this.size.width, 0.85 * this.size.height]);
    this.box.focus();
  }

  #at(event) {
    const frame = this.image.getBoundingClientRect();
    const inside = (value, most) => Math.min(Math.max(value, 0), most);
    return [
      inside((event.clientX - frame.left) / frame.width, 1) * this.size.width,
      inside((event.clientY - frame.top) / frame.height, 1) * this.size.height,
    ];
  }

  #down(event) {
    if (event.button) return;
    const handle = [...this.box.children].indexOf(event.target);
    const onBox = this.box.contains(event.target);
    if (!onBox && !this.drawing) return;
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    if (handle >= 0) {
      const [x1, y1, x2, y2] = this.corners;
      this.held = { from: [handle % 2 ? x1 : x2, handle < 2 ? y2 : y1] };
    } else if (onBox) this.held = { grip: at, was: this.corners };
    else this.held = { from: at };
  }

  #move(event) {
    if (!this.held) return;
    const at = this.#at(event);
    if (this.held.from) {
      const { from } = this.held;
      this.show([Math.min(from[0], at[0]), Math.min(from[1], at[1]), Math.max(from[0], at[0]), Math.max(from[1], at[1])]);
    } else this.#shift(this.held.was, at[0] - this.held.grip[0], at[1] - this.held.grip[1]);
    this.held.moved = true;
  }

  #up() {
    const { held } = this;
    this.held = null;
    if (!held || !held.moved) return;
    const frame = this.box.getBoundingClientRect();
    if (frame.width < LEAST || frame.height < LEAST) this.show(null);
    else this.onChange(this.corners);
  }

  #shift([x1, y1, x2, y2], x, y) {
    const dx = Math.min(Math.max(x, -x1), this.size.width - x2);
    const dy = Math.min(Math.max(y, -y1), this.size.height - y2);
    this.show([x1 + dx, y1 + dy, x2 + dx, y2 + dy]);
  }

  #key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      clearTimeout(this.later);
      this.onChange(this.corners);
    }
    if (!way) return;
    event.preventDefault();
    const dx = way[0] * STEP * this.size.width;
    const dy = way[1] * STEP * this.size.height;
    if (event.shiftKey) {
      const [x1, y1, x2, y2] = this.corners;
      const least = STEP * Math.min(this.size.width, this.size.height);
      this.show([x1, y1, Math.min(Math.max(x2 + dx, x1 + least), this.size.width), Math.min(Math.max(y2 + dy, y1 + least), this.size.height)]);
    } else this.#shift(this.corners, dx, dy);
    clearTimeout(this.later);
    this.later = setTimeout(() => this.onChange(this.corners), 400);
  }
}

export function place(element, [x1, y1, x2, y2], size) {
  element.style.left = `${(100 * x1) / size.width}%`;
  element.style.top = `${(100 * y1) / size.height}%`;
  element.style.width = `${(100 * (x2 - x1)) / size.width}%`;
  element.style.height = `${(100 * (y2 - y1)) / size.height}%`;
}
