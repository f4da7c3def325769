// Package profile is the AP profile (auto-provision profile): "members of this Entra group get this WorkSpace,
// in this account, Region and directory, with these settings".
//
// It decodes what an administrator wrote, complains about every field that is wrong (which field, which value,
// what is expected), fills in safe defaults, and gives each content a version: a hash by which a person approves
// it. It refuses half a profile: one complaint, and the profile does nothing.
package profile
