export interface Port {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** A port of the guest, and of the container where the world reaches it. */
export interface Forward extends Port {
  /** Port that QEMU or passt opens. */
  readonly qemuPort: number;
  /**
   * `direct`: QEMU opens `port` itself. `relayed`: only the supervisor may, and carries the bytes between. `inside`: nobody
   * may; programs in the container (`connect`) still reach the guest.
   */
  readonly way: 'direct' | 'relayed' | 'inside';
}
