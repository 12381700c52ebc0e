"""Small images, and what PIL makes of them.

Writes the folder `images` beside this script: PNG and JPEG files of every form that Caudal reads, and `images.json`
with the numbers that a node should get, as PIL decodes and scales them. Run with Pillow 13 and numpy 2:

    python3 images.py
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "images"
HEIGHT, WIDTH = 9, 12


def picture():
    """A picture without symmetries, so that turning it or mixing up its axes is seen."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = 255 * x / (WIDTH - 1)
    green = 255 * y / (HEIGHT - 1)
    blue = 127 + 100 * np.sin(x * 0.9 + y * 0.4)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def png_16(path, values, color):
    """Writes a PNG of 16 bits a sample, which PIL can't for colours."""

    def chunk(name, data):
        return (struct.pack(">I", len(data)) + name + data
                + struct.pack(">I", zlib.crc32(name + data)))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(b"\x89PNG\r\n\x1a\n"
                     + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def luma(rgb):
    return (rgb.astype(np.float64) @ [0.299, 0.587, 0.114])[..., None]


def resize(values, size):
    """PIL's bilinear filter over 32-bit floats, channel by channel."""
    channels = [np.asarray(Image.fromarray(values[..., c].astype(np.float32)).resize(size, Image.BILINEAR))
                for c in range(values.shape[-1])]
    return np.stack(channels, axis=-1)


def main():
    FOLDER.mkdir(exist_ok=True)
    rgb = picture()
    grey = rgb[..., 2]
    cases = []

    def case(file, values, tolerance, fit="exact"):
        values = np.asarray(values, dtype=np.float64)
        cases.append({"file": file, "fit": fit, "shape": list(values.shape), "tolerance": tolerance,
                      "values": [float(f"{value:.8g}") for value in values.ravel()]})

    exact = 1e-7
    Image.fromarray(rgb).save(FOLDER / "rgb.png")
    decoded = np.asarray(Image.open(FOLDER / "rgb.png").convert("RGB")) / 255
    assert (decoded * 255 == rgb).all()
    case("rgb.png", decoded, exact)
    case("rgb.png", luma(decoded), 1e-6)
    case("rgb.png", np.dstack([decoded, np.ones((HEIGHT, WIDTH))]), exact)

    Image.fromarray(grey).save(FOLDER / "grey.png")
    case("grey.png", grey[..., None] / 255, exact)
    case("grey.png", np.repeat(grey[..., None], 3, axis=-1) / 255, exact)

    alpha = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 2).astype(np.uint8)
    Image.fromarray(np.dstack([rgb, alpha])).save(FOLDER / "rgba.png")
    case("rgba.png", np.dstack([rgb, alpha]) / 255, exact)
    case("rgba.png", np.asarray(Image.open(FOLDER / "rgba.png").convert("RGB")) / 255, exact)

    Image.fromarray(rgb).quantize(16).save(FOLDER / "palette.png")
    case("palette.png", np.asarray(Image.open(FOLDER / "palette.png").convert("RGB")) / 255, exact)
    Image.fromarray(grey > 127).save(FOLDER / "bits.png")
    case("bits.png", np.asarray(Image.open(FOLDER / "bits.png").convert("L"))[..., None] / 255, exact)

    deep = (rgb.astype(np.uint16) * 256 + 13)
    png_16(FOLDER / "rgb16.png", deep, 2)
    case("rgb16.png", deep / 65535, exact)
    png_16(FOLDER / "grey16.png", deep[..., 2], 0)
    assert (np.asarray(Image.open(FOLDER / "grey16.png")) == deep[..., 2]).all()
    case("grey16.png", deep[..., 2:] / 65535, exact)

    # The decoders round differently, by 2 of 255 at most; with halved colours they also interpolate differently.
    Image.fromarray(rgb).save(FOLDER / "rgb.jpg", quality=95, subsampling=0)
    case("rgb.jpg", np.asarray(Image.open(FOLDER / "rgb.jpg")) / 255, 2.5 / 255)
    Image.fromarray(rgb).save(FOLDER / "halved.jpeg", quality=95, subsampling=2)
    case("halved.jpeg", np.asarray(Image.open(FOLDER / "halved.jpeg")) / 255, 16.5 / 255)
    Image.fromarray(grey).save(FOLDER / "grey.jpg", quality=95)
    case("grey.jpg", np.asarray(Image.open(FOLDER / "grey.jpg"))[..., None] / 255, 2.5 / 255)

    Image.fromarray(rgb).convert("CMYK").save(FOLDER / "cmyk.jpg", quality=95)

    # As a camera held upright writes it: to be turned by 90 degrees.
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(FOLDER / "turned.jpg", quality=95, subsampling=0, exif=exif)
    turned = Image.open(FOLDER / "turned.jpg").transpose(Image.Transpose.ROTATE_270)
    case("turned.jpg", np.asarray(turned) / 255, 2.5 / 255)

    # Sizes are width x height. 12 x 9 covers 4 x 4 as 5 x 4 (5.33, rounded) and fits into it as 4 x 3.
    case("rgb.png", resize(decoded, (5, 7)), 1e-5, "stretch")
    case("rgb.png", resize(decoded, (20, 30)), 1e-5, "stretch")
    case("rgb.png", resize(decoded, (5, 4))[:, 0:4], 1e-5, "crop")
    padded = np.zeros((4, 4, 3))
    padded[0:3] = resize(decoded, (4, 3))
    case("rgb.png", padded, 1e-5, "pad")

    (FOLDER / "images.json").write_text(json.dumps(cases) + "\n")


main()
