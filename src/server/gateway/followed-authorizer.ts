import type { Authorizer } from '../../resource-server/index.ts';

/** For requests that an earlier authorizer has begun to decide. */
const CLOSE_MILLISECONDS = 30_000;

/** An authorizer that is made anew when one of its files has changed. Caches start empty then. */
export class FollowedAuthorizer implements Authorizer {
  readonly #make: () => Authorizer;
  #current: Authorizer;

  constructor(make: () => Authorizer) {
    this.#make = make;
    this.#current = make();
  }

  readonly authorize: Authorizer['authorize'] = (request, requirement) =>
    this.#current.authorize(request, requirement);

  readonly authorizeNow: Authorizer['authorizeNow'] = (request, requirement) =>
    this.#current.authorizeNow(request, requirement);

  readonly consentOf: Authorizer['consentOf'] = (authorization) => this.#current.consentOf(authorization);

  get knowsConsents(): boolean {
    return this.#current.knowsConsents;
  }

  get accepted(): Authorizer['accepted'] {
    return this.#current.accepted;
  }

  /** New requests are decided with what the files hold now. */
  replace(): void {
    const old = this.#current;
    this.#current = this.#make();
    setTimeout(() => void old.close(), CLOSE_MILLISECONDS).unref();
  }

  close(): Promise<void> {
    return this.#current.close();
  }
}
