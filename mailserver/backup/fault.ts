/** What went wrong with a backup, and what to do about it. */
export class BackupFault extends Error {
  readonly remedy: string;

  constructor(cause: string, remedy: string) {
    super(cause);
    this.name = "BackupFault";
    this.remedy = remedy;
  }
}
