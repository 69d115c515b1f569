import { isProblem } from "@fusioncommerce/client";
import { Notice } from "../../ui/notice";
import { Trouble } from "../problems";
import { ct } from "../words";
import { PageHead } from "./page-head";

interface Props {
  error: unknown;
  onRetry: () => void;
  up?: { href: string; label: string };
}

/** In place of a page whose thing could not be read. */
export function PageTrouble({ error, onRetry, up }: Props) {
  // An address that is no id at all is refused, and means the same to who followed it.
  const isGone = isProblem(error, "not_found", "invalid_request");
  return (
    <>
      <PageHead title={ct(isGone ? "problem.gone" : "problem.load")} up={up} />
      {isGone ? <Notice title={ct("problem.notFound")} /> : <Trouble error={error} onRetry={onRetry} />}
    </>
  );
}
