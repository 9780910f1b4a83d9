// A photo from the camera: the live picture where the browser gives one, otherwise its own way to take a photo.

export class Camera {
  constructor(video, onOpen, onClose) {
    Object.assign(this, { video, onOpen, onClose, stream: null });
  }

  // Whether the live picture could be opened.
  async open() {
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return false;
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
    } catch {
      return false;
    }
    this.video.srcObject = this.stream;
    this.onOpen();
    await this.video.play();
    return true;
  }

  async take() {
    const canvas = document.createElement("canvas");
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    this.close();
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  }

  close() {
    if (this.stream) for (const track of this.stream.getTracks()) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    this.onClose();
  }
}
