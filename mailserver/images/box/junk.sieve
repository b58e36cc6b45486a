# smtp-in marks what fails the DMARC policy of its author's domain; nobody else can set this field.
require ["fileinto", "mailbox"];
if header :is "X-Semail-Junk" "yes" {
  fileinto :create "Junk";
  stop;
}
