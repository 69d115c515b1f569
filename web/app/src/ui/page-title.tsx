import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { BRAND } from "../brand";

/** Whether the page shown is the first since the document was loaded: the browser's own focus stays then. */
let first = true;

/** The page's heading. A page that was come to by a link is announced by moving the focus here. */
export function PageTitle({ children, plain, class: extra }: { children?: ComponentChildren; plain: string; class?: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!first) heading.current?.focus({ preventScroll: true });
    first = false;
  }, []);
  useEffect(() => {
    document.title = `${plain} · ${BRAND}`;
  }, [plain]);
  return (
    <h1 ref={heading} tabIndex={-1} class={extra ?? ""}>
      {children ?? plain}
    </h1>
  );
}
