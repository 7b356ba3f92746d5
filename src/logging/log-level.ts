import type { EventLevel } from '../event-levels.ts';

/** The least level that a log writes, which may change while the log is open. */
export class LogLevel {
  current: EventLevel;

  constructor(level: EventLevel) {
    this.current = level;
  }
}
