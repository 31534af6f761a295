/** Called with the text of every statement on its way to a database: tests collect them for EXPLAIN. */
export const statements: { observer: ((text: string) => void) | undefined } = {
  observer: undefined,
};
