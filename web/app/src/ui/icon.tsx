const PATHS = {
  cart: "M6 7h14l-1.6 8.2a2 2 0 0 1-2 1.6H9.3a2 2 0 0 1-2-1.7L5.6 4.6H3M10 20.5h.01M16 20.5h.01",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5c.9-3.6 3.8-5.5 7.5-5.5s6.600 1.900 7.500 5.500",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20.500 20.500 16 16",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.500 10 17.500 19.500 7",
  alert: "M12 8v5M12 16.500h.01M12 3.500 2.800 19.500h18.400L12 3.500Z",
  info: "M12 11v6M12 7.500h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  clock: "M12 7v5.500l3.500 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  arrow: "M4.500 12h15M13 5.500l6.500 6.500-6.500 6.500",
  minus: "M5.500 12h13",
  plus: "M5.500 12h13M12 5.500v13",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M5.500 11h13v9.500h-13V11Z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
