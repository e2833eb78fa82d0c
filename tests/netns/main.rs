//! Real programs on hosts of their own, behind NATs and firewalls and at the end of slow lines. Each
//! test starts itself again in new namespaces; no root is needed.

mod laboratory;
