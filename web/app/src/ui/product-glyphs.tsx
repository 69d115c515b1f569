/** Drawings of products, each on an area of 400 by 400 with its base at a height of about 320. */
import type { JSX } from "preact";

interface Colours {
  body: string;
  detail: string;
  shade: string;
}

type Glyph = (colours: Colours) => JSX.Element;

const line = (colour: string, width = 5) =>
  ({ fill: "none", stroke: colour, "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round" }) as const;

const top = (body: string, sleeves: string) => (
  <>
    <path d={sleeves} fill={body} />
    <path d="M150 108 L128 128 V312 H272 V128 L250 108 Q200 138 150 108Z" fill={body} />
  </>
);

const LONG_SLEEVES = "M150 108 L108 138 L84 292 L116 298 L134 190 H266 L284 298 L316 292 L292 138 L250 108Z";

export const GLYPHS = {
  jacket: ({ body, detail, shade }) => (
    <>
      <path d="M158 112 Q160 70 200 68 Q240 70 242 112Z" fill={body} />
      <path d="M172 112 Q174 86 200 84 Q226 86 228 112 Q200 128 172 112Z" fill="#000" opacity="0.28" />
      {top(body, LONG_SLEEVES)}
      <path d="M200 132 V312" {...line(detail, 4)} />
      <path d="M148 236 h34 M218 236 h34" {...line(detail)} />
      <path d="M128 296 H272" {...line(shade, 3)} opacity="0.7" />
    </>
  ),
  sweater: ({ body, detail }) => (
    <>
      {top(body, LONG_SLEEVES)}
      <path d="M154 112 Q200 146 246 112" {...line(detail, 9)} />
      <path d="M142 186 q14.500 -16 29 0 t29 0 t29 0 t29 0 M142 210 q14.500 -16 29 0 t29 0 t29 0 t29 0" {...line(detail, 4)} opacity="0.75" />
      <path d="M130 302 H270" {...line(detail, 6)} opacity="0.6" />
    </>
  ),
  shirt: ({ body, detail }) => (
    <>
      {top(body, LONG_SLEEVES)}
      <path d="M158 106 L200 146 L242 106 L232 96 H168Z" fill={detail} />
      <path d="M200 146 V312" {...line(detail, 3)} />
      <path d="M200 176 h.1 M200 214 h.1 M200 252 h.1 M200 288 h.1" {...line(detail, 9)} />
      <path d="M222 186 h30 v34 h-30Z" {...line(detail, 3)} opacity="0.8" />
    </>
  ),
  tee: ({ body, detail }) => (
    <>
      {top(body, "M150 108 L96 146 L118 198 L140 186 H260 L282 198 L304 146 L250 108Z")}
      <path d="M158 112 Q200 140 242 112" {...line(detail, 6)} opacity="0.8" />
      <circle cx="200" cy="206" r="34" fill={detail} opacity="0.92" />
      <path d="M180 216 q10 -22 20 -6 t20 -8" {...line(body, 5)} />
    </>
  ),
  sneaker: ({ body, detail, shade }) => (
    <>
      <path d="M84 222 Q84 198 104 200 L136 214 Q162 190 178 192 Q196 240 262 250 Q318 256 318 290 H84Z" fill={body} />
      <path d="M80 286 H322 Q324 316 304 316 H96 Q80 316 80 286Z" fill={detail} />
      <path d="M182 214 l26 -10 M194 230 l26 -10 M210 242 l24 -10" {...line(detail)} />
      <path d="M92 300 H312" {...line(shade, 3)} />
      <path d="M100 212 q-4 32 2 62" {...line(detail, 4)} opacity="0.6" />
    </>
  ),
  backpack: ({ body, detail, shade }) => (
    <>
      <path d="M166 104 Q166 70 200 70 Q234 70 234 104" {...line(body, 11)} />
      <rect x="124" y="98" width="152" height="220" rx="44" fill={body} />
      <path d="M124 170 Q200 204 276 170 V142 Q276 98 232 98 H168 Q124 98 124 142Z" fill="#000" opacity="0.16" />
      <rect x="148" y="218" width="104" height="76" rx="14" {...line(detail, 4)} />
      <path d="M148 240 H252" {...line(detail, 4)} />
      <rect x="190" y="174" width="20" height="28" rx="4" fill={detail} />
      <path d="M124 208 q-18 40 -4 92 M276 208 q18 40 4 92" {...line(shade, 6)} />
    </>
  ),
  mug: ({ body, detail }) => (
    <>
      <path d="M268 172 q52 -4 48 44 q-4 44 -58 46" {...line(body, 20)} />
      <path d="M112 140 H276 V262 Q276 316 224 316 H164 Q112 316 112 262Z" fill={body} />
      <ellipse cx="194" cy="140" rx="82" ry="17" fill={detail} />
      <ellipse cx="194" cy="143" rx="68" ry="11" fill="#000" opacity="0.35" />
      <path d="M112 216 q20 14 41 0 t41 0 t41 0 t41 0" {...line(detail, 5)} opacity="0.7" />
    </>
  ),
  board: ({ body, detail, shade }) => (
    <>
      <rect x="182" y="64" width="36" height="72" rx="16" fill={body} />
      <circle cx="200" cy="88" r="8" fill={shade} />
      <rect x="122" y="118" width="156" height="200" rx="26" fill={body} />
      <rect x="138" y="134" width="124" height="168" rx="16" {...line(detail, 4)} opacity="0.8" />
      <path d="M166 158 q14 60 0 120 M200 154 q-12 64 2 126 M234 158 q12 60 0 120" {...line(detail, 3)} opacity="0.45" />
    </>
  ),
  coffee: ({ body, detail }) => (
    <>
      <path d="M140 92 H260 L214 170 H186Z" fill={body} />
      <path d="M140 92 H260" {...line(detail, 8)} />
      <path d="M176 172 H224 L268 286 Q276 318 242 318 H158 Q124 318 132 286Z" fill={detail} opacity="0.9" />
      <path d="M150 246 H250 L266 290 Q272 314 242 314 H158 Q128 314 134 290Z" fill={body} />
      <rect x="172" y="164" width="56" height="22" rx="6" fill={body} />
    </>
  ),
  lamp: ({ body, detail, shade }) => (
    <>
      <path d="M200 210 V300" {...line(body, 9)} />
      <path d="M152 96 H248 L284 214 H116Z" fill={body} />
      <path d="M116 214 H284 L318 300 H82Z" fill="#f7d98b" opacity="0.35" />
      <path d="M152 96 L128 214" {...line(detail, 4)} opacity="0.6" />
      <rect x="150" y="298" width="100" height="20" rx="9" fill={body} />
      <path d="M160 308 h80" {...line(shade, 3)} />
    </>
  ),
  candle: ({ body, detail }) => (
    <>
      {[[112, 196], [172, 150], [232, 226]].map(([x = 0, y = 0]) => (
        <g key={x}>
          <path d={`M${x + 28} ${y} v-18`} {...line("#4a4036", 4)} />
          <path d={`M${x + 28} ${y - 52} q18 24 0 38 q-18 -14 0 -38Z`} fill="#f0b64a" />
          <rect x={x} y={y} width="56" height={318 - y} rx="6" fill={body} />
          <ellipse cx={x + 28} cy={y + 2} rx="28" ry="7" fill={detail} />
        </g>
      ))}
    </>
  ),
  vinyl: ({ body, detail, shade }) => (
    <>
      <circle cx="246" cy="206" r="102" fill="#23262b" />
      <circle cx="246" cy="206" r="84" {...line("#43484f", 2)} />
      <circle cx="246" cy="206" r="66" {...line("#43484f", 2)} />
      <circle cx="246" cy="206" r="34" fill={detail} />
      <circle cx="246" cy="206" r="6" fill="#23262b" />
      <rect x="78" y="104" width="178" height="210" rx="4" fill={body} />
      <circle cx="167" cy="176" r="36" fill={detail} opacity="0.9" />
      <path d="M78 236 q30 -22 60 0 t60 0 t58 0 M78 262 q30 -22 60 0 t60 0 t58 0" {...line(detail, 5)} />
      <path d="M96 296 h72" {...line(shade, 5)} />
    </>
  ),
  headphones: ({ body, detail, shade }) => (
    <>
      <path d="M110 226 Q104 88 200 86 Q296 88 290 226" {...line(body, 18)} />
      <path d="M124 206 Q122 104 200 102 Q278 104 276 206" {...line(shade, 5)} />
      <rect x="84" y="208" width="58" height="108" rx="27" fill={body} />
      <rect x="258" y="208" width="58" height="108" rx="27" fill={body} />
      <rect x="126" y="220" width="22" height="84" rx="11" fill={detail} />
      <rect x="252" y="220" width="22" height="84" rx="11" fill={detail} />
    </>
  ),
  keyboard: ({ body, detail }) => (
    <>
      <rect x="58" y="186" width="284" height="132" rx="16" fill={body} />
      {[0, 1, 2].map((row) =>
        Array.from({ length: 9 }, (_, column) => (
          <rect
            key={`${row}-${column}`}
            x={74 + column * 28.4}
            y={202 + row * 27}
            width="23"
            height="21"
            rx="5"
            fill={row === 0 && column === 0 ? "#f0b64a" : detail}
            opacity={0.95 - ((row + column) % 3) * 0.12}
          />
        )),
      )}
      <rect x="136" y="284" width="128" height="20" rx="5" fill={detail} />
      <path d="M200 186 V150 q0 -18 20 -18 h40" {...line(body, 6)} />
    </>
  ),
  parcel: ({ body, detail }) => (
    <>
      <path d="M96 172 L200 132 L304 172 V286 L200 322 L96 286Z" fill={body} />
      <path d="M96 172 L200 210 L304 172 L200 132Z" fill={detail} opacity="0.85" />
      <path d="M200 210 V322" {...line(detail, 4)} />
      <path d="M146 152 L252 192 V226" {...line(body, 10)} />
    </>
  ),
} satisfies Record<string, Glyph>;

export type GlyphName = keyof typeof GLYPHS;

/** The first word found in the handle or the type decides. */
const WORDS: [RegExp, GlyphName][] = [
  [/headphone|earphone/, "headphones"],
  [/keyboard/, "keyboard"],
  [/vinyl|record|music|album/, "vinyl"],
  [/candle|wax\b/, "candle"],
  [/lamp|light/, "lamp"],
  [/coffee|carafe|tea/, "coffee"],
  [/board/, "board"],
  [/mug|cup|bowl|kitchen/, "mug"],
  [/backpack|bag/, "backpack"],
  [/jacket|coat|outerwear|parka/, "jacket"],
  [/sweater|knit|hoodie|jumper/, "sweater"],
  [/\btee\b|t-shirt/, "tee"],
  [/shirt|blouse/, "shirt"],
  [/sneaker|shoe|runner|boot/, "sneaker"],
];

export function glyphFor(handle: string, type: string): GlyphName {
  const words = `${handle} ${type}`.toLowerCase();
  // The handle describes the product better than its type.
  const found = WORDS.find(([word]) => word.test(handle.toLowerCase())) ?? WORDS.find(([word]) => word.test(words));
  return found?.[1] ?? "parcel";
}
