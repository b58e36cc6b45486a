/** Every type token of our components. A token is part of the state: renaming one needs an alias. */
export const TYPES = {
  mailHost: "semail:index:MailHost",
  mailVm: "semail:index:MailVm",
  guard: "semail:index:Guard",
  mailImages: "semail:index:MailImages",
  keys: "semail:index:Keys",
  directory: "semail:index:Directory",
  mailbox: "semail:index:Mailbox",
  mailServer: "semail:index:MailServer",
  devDns: "semail:index:DevDns",
  operator: "semail:index:Operator",
  portal: "semail:index:Portal",
  backup: "semail:index:Backup",
  certifier: "semail:index:Certifier",
  mailDomain: "semail:index:MailDomain",
} as const;
