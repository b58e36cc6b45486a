/** Types of values that the libvirt resources share. */
import { z } from "zod";

/** Goes into XML, into qemu's arguments and into file names: no sign that any of them reads as its own. */
export const absolutePath = z
  .string()
  .regex(
    /^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)+$/,
    "must be an absolute path of letters, digits, `.`, `_` and `-`",
  );

/** A domain's name, which is also the VM's host name (RFC 1123 section 2.1). */
export const domainName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit",
  );

/** Disks and credentials are files of this machine, so libvirt has to be, too. */
export const localUri = z
  .enum(["qemu:///system", "qemu:///session"], "must be qemu:///system or qemu:///session")
  .default("qemu:///system");
