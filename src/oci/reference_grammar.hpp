// The grammar of image references, for the code that compares names and for the registry client.
// Source: distribution/reference, the grammar in its documentation; OCI distribution-spec 1.1 "Pulling
// manifests" (names and tags).
//
//   reference  = [domain "/"] path [":" tag] ["@" digest]
//   domain     = host [":" port], host = a DNS name, an IPv4 address or an IPv6 address in brackets. The
//                first component is a domain if it has a '.', a ':' or an upper-case letter, or is
//                "localhost"
//   path       = component *("/" component), at most 255 bytes
//   component  = runs of [a-z0-9] separated by ".", "_", "__" or any number of "-"
//   tag        = [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
#pragma once

#include <string_view>

namespace bottle::oci {

bool is_reference_path(std::string_view text);
bool is_reference_tag(std::string_view text);
// Of a port only that it is digits.
bool is_reference_domain(std::string_view text);
// Whether the text before the first '/' of a reference is a domain, and not part of the path.
bool begins_with_domain(std::string_view first_component);

}  // namespace bottle::oci
