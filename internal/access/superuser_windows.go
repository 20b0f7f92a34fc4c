package access

// superusers can do what every user can: LocalSystem.
//
// Source: Windows documentation, Well-known SIDs.
var superusers = []string{"S-1-5-18"}
