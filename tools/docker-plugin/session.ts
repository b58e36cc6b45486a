/** What one running provider knows: its settings, its connections, and what it is at. */
import type Docker from "dockerode";
import { connect } from "./engine.ts";
import { UserError } from "./errors.ts";
import { hostUnknown, providerConfig } from "./host.ts";
import { type EngineLog, engineLog, silent } from "./logs.ts";
import type { Props } from "./values.ts";

/** What a provider is started with. */
export interface SessionOptions {
  readonly version: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Where the Pulumi engine takes log messages. */
  readonly engineAddress?: string;
}

/** One provider. */
export class Session {
  readonly version: string;
  private readonly environment: NodeJS.ProcessEnv;
  private readonly cancelled = new AbortController();
  private settings: Props = {};
  private client: Docker | undefined;
  private engine: EngineLog = silent;

  constructor(options: SessionOptions) {
    this.version = options.version;
    this.environment = options.environment;
    if (options.engineAddress !== undefined) this.attach(options.engineAddress);
  }

  /** Sends the messages to the engine at the address from now on. */
  attach(address: string): void {
    this.engine.close();
    this.engine = engineLog(address);
  }

  /** Takes the provider's settings. */
  configure(settings: Props): void {
    this.settings = settings;
    this.client = undefined;
  }

  get log(): EngineLog {
    return this.engine;
  }

  /** The Docker engine's address, for messages. */
  get host(): string {
    return providerConfig(this.settings, this.environment).host;
  }

  /** The client for the Docker engine. */
  get docker(): Docker {
    if (hostUnknown(this.settings)) throw new UserError("the address of the Docker engine is not known yet");
    this.client ??= connect(providerConfig(this.settings, this.environment));
    return this.client;
  }

  /** Fires when the update is cancelled, or after so many seconds if that is not zero. */
  signal(seconds: number): AbortSignal {
    const all = this.cancelled.signal;
    return seconds > 0 ? AbortSignal.any([all, AbortSignal.timeout(seconds * 1000)]) : all;
  }

  /** Aborts all that is going on. */
  cancel(): void {
    this.cancelled.abort(new UserError("cancelled"));
  }

  /** Lets go of the connections. */
  close(): void {
    this.cancel();
    this.engine.close();
  }
}
