/** A picture for every product: the shop's own, or one generated from its handle and type, always the same. */
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { GLYPHS, glyphFor } from "./product-glyphs";

/** Background, shade, body, detail: muted colours, readable on light and dark pages. */
const PALETTES = [
  ["#e9dfd0", "#d9c9b1", "#a3542f", "#f6efe4"],
  ["#d8e2dc", "#bfd0c6", "#285c4d", "#eef5f1"],
  ["#dde3ea", "#c3cfdc", "#33506e", "#f1f5f9"],
  ["#ecdcd6", "#dcc1b7", "#8a3b3b", "#faf1ee"],
  ["#e8e3cd", "#d6cda7", "#7a6420", "#faf7e8"],
  ["#dfdbe8", "#c8c1d9", "#53447a", "#f4f1fa"],
  ["#d3e1e4", "#b5cdd2", "#1f5d69", "#ebf5f7"],
  ["#e6dbdd", "#d2bfc4", "#6f3a52", "#f8f0f3"],
] as const;

interface Pictured {
  handle: string;
  type: string;
  title: string;
  images?: { src: string; alt: string }[];
}

interface Props {
  product: Pictured;
  decorative?: boolean;
  /** The index of the picture. */
  at?: number;
  /** Whether to show the picture uncropped within its square; otherwise it fills the square. */
  whole?: boolean;
}

export function ProductPicture({ product, decorative = false, at = 0, whole = false }: Props) {
  const [failed, setFailed] = useState<string>();
  const image = product.images?.[at] ?? product.images?.[0];
  if (image && failed !== image.src) {
    return (
      <img
        class={whole ? "picture whole" : "picture"}
        src={image.src}
        alt={decorative ? "" : image.alt || product.title}
        loading={whole ? "eager" : "lazy"}
        decoding="async"
        onError={() => setFailed(image.src)}
      />
    );
  }
  return <Drawing product={product} decorative={decorative} />;
}

function Drawing({ product, decorative }: { product: Pictured; decorative: boolean }) {
  const seed = hash(product.handle);
  const [ground, shade, body, detail] = PALETTES[seed % PALETTES.length] ?? PALETTES[0];
  const Glyph = GLYPHS[glyphFor(product.handle, product.type)];
  const turn = ((seed >>> 8) % 13) - 6;
  const sun = { x: 90 + ((seed >>> 12) % 220), y: 80 + ((seed >>> 20) % 90), r: 120 + ((seed >>> 5) % 60) };
  const label = decorative ? { "aria-hidden": true } : { role: "img" as const, "aria-label": t("product.picture", { title: product.title }) };
  return (
    <svg class="picture" viewBox="0 0 400 400" preserveAspectRatio="xMidYMid slice" {...label}>
      <rect width="400" height="400" fill={ground} />
      <circle cx={sun.x} cy={sun.y} r={sun.r} fill={shade} opacity="0.55" />
      <path d="M0 312 Q200 296 400 312 V400 H0Z" fill={shade} />
      <ellipse cx="200" cy="322" rx="112" ry="11" fill="#000" opacity="0.1" />
      <g transform={`rotate(${turn / 3} 200 210)`}>
        <Glyph body={body} detail={detail} shade={shade} />
      </g>
    </svg>
  );
}

/** FNV-1a: small, and the same everywhere. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  // The low bits of FNV are poorly mixed, and they choose the palette.
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (value ^ (value >>> 13)) >>> 0;
}
