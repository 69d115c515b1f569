import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../ui/icon";
import { staff } from "../client";
import { Trouble } from "../problems";
import { ct } from "../words";

interface DialogProps {
  title: string;
  onClose: () => void;
  /** Whether a request is running: Escape does not close the dialog then. */
  busy?: boolean;
  children: ComponentChildren;
}

/** A native modal dialog. The browser keeps the focus inside, and restores it afterwards. */
export function Dialog({ title, onClose, busy = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    // The first field; if there is none, the button that changes nothing.
    dialog?.querySelector<HTMLElement>("form :is(input, textarea, select, button):not([type=radio])")?.focus();
    return () => dialog?.close();
  }, []);
  const isSignedIn = staff.value !== undefined;
  useEffect(() => {
    if (!isSignedIn) onClose();
  }, [isSignedIn]);
  return (
    <dialog
      class="dialog"
      ref={element}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!busy) onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id="dialog-title">{title}</h2>
        <button class="icon-button" type="button" aria-label={ct("common.close")} disabled={busy} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </dialog>
  );
}

interface ActionProps {
  title: string;
  /** The label of the confirming button. */
  confirm: string;
  /** Whether the action cannot be undone. */
  danger?: boolean;
  onClose: () => void;
  /** Returns whether the fields can be sent; marks and focuses the invalid ones. */
  check?: () => boolean;
  act: () => Promise<void>;
  /** Whether the field of a pointer shows its own error. */
  shown?: (pointer: string) => boolean;
  /** Returns an explanation of an error beyond the usual message. */
  explain?: (error: unknown) => ComponentChildren;
  children: ComponentChildren;
}

/** A dialog for one change: its consequences or fields, and a button. It stays open if the change is refused. */
export function ActionDialog({
  title,
  confirm,
  danger = false,
  onClose,
  check,
  act,
  shown,
  explain,
  children,
}: ActionProps) {
  const [working, setWorking] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (working || (check && !check())) return;
    setWorking(true);
    setError(undefined);
    try {
      await act();
    } catch (thrown) {
      setError(thrown);
      setWorking(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose} busy={working}>
      <form class="dialog-body" noValidate onSubmit={(event) => void submit(event)}>
        {children}
        {error !== undefined && (
          <Trouble error={error} {...(shown ? { shown } : {})}>
            {explain?.(error)}
          </Trouble>
        )}
        <div class="dialog-actions">
          <button class="button second" type="button" disabled={working} onClick={onClose}>
            {ct("common.back")}
          </button>
          <button class={danger ? "button danger" : "button"} type="submit" aria-disabled={working}>
            {working ? ct("common.working") : confirm}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
