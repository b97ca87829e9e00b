# SPDX-License-Identifier: Apache-2.0
# The spellings of an upstream's URL, and the git settings that redirect them to its gate.
#
# git replaces the longest prefix of a URL that is the value of a url.<base>.insteadOf (git-config(1)). A prefix may belong to
# another repository: "git@host:team/project" is also a prefix of "git@host:team/project-two". So each spelling without
# ".git" has *guards*: longer prefixes of other repositories' names, each of which is replaced by itself.
include_guard(GLOBAL)

# Characters with which a longer name may continue; hosting services allow no others. "." is one of them unless it begins
# ".git". Some names continue with ".git" too (pages are in <name>.github.io).
set(_BOTTLE_GUARDS
  a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z
  0 1 2 3 4 5 6 7 8 9 - _ . .gita .gite .gith .giti .gitl .gitm .git- .git_ .git.)

# _bottle_upstream_spellings(<out> <JSON of an upstream>): pairs of words in a list, "<prefix of a URL>" "<stem of the
# repository's path>", for all spellings of the upstream that git understands (git-clone(1), "GIT URLS"). A URL is the prefix
# followed by the stem, with or without ".git". <out>_given is the URL in the description, if it has one.
function(_bottle_upstream_spellings out json)
  set(${out} "" PARENT_SCOPE)
  foreach(member IN ITEMS url host port user repository alsoHttps)
    string(JSON ${member} ERROR_VARIABLE error GET "${json}" ${member})
    if(error)
      set(${member} "")
    endif()
  endforeach()
  set(${out}_given "${url}" PARENT_SCOPE)
  if(url MATCHES "^ssh://(([^/@]*)@)?(\\[[^]/]*\\]|[^]/:[]*)(:([0-9]+))?(/.*)$")
    set(user "${CMAKE_MATCH_2}")
    set(host "${CMAKE_MATCH_3}")
    set(port "${CMAKE_MATCH_5}")
    set(repository "${CMAKE_MATCH_6}")
  elseif(url MATCHES "^(([^/@:]*)@)?(\\[[^]/]*\\]|[^]/:[]+):(.*)$")
    set(user "${CMAKE_MATCH_2}")
    set(host "${CMAKE_MATCH_3}")
    set(port "")
    set(repository "${CMAKE_MATCH_4}")
  elseif(NOT url STREQUAL "")
    return() # not a URL of a gate's upstream; bottle-gate render reports it
  endif()
  if(host MATCHES ":" AND NOT host MATCHES "^\\[")
    set(host "[${host}]")
  endif()
  set(bare_host FALSE)
  if(user STREQUAL "")
    set(user git)
    if(NOT url STREQUAL "")
      set(bare_host TRUE) # the user is in the ssh configuration
    endif()
  endif()
  if(port STREQUAL "")
    set(port 22)
  endif()
  # Relative to the user's home; hosting services treat it like a path from the root.
  string(REGEX REPLACE "^/+(~/)?/*" "" stem "/${repository}")
  string(REGEX REPLACE "/+$" "" stem "${stem}")
  string(REGEX REPLACE "[.]git$" "" stem "${stem}")
  if(host STREQUAL "" OR stem STREQUAL "" OR "${host}${stem}" MATCHES "[;%]")
    return() # only the URL in the description is redirected
  endif()
  set(servers "${user}@${host}")
  if(bare_host)
    list(APPEND servers "${host}")
  endif()
  set(pairs "")
  if(port EQUAL 22)
    foreach(server IN LISTS servers)
      list(APPEND pairs "${server}:" "${stem}")
      # Each spelling has a hundred settings, which each git command reads. So rare ones (":~/", ":443") are left out.
      if(NOT stem MATCHES "^~")
        list(APPEND pairs "${server}:/" "${stem}")
      endif()
    endforeach()
  endif()
  foreach(scheme IN ITEMS ssh git+ssh ssh+git)
    set(places "")
    foreach(server IN LISTS servers)
      list(APPEND places "${scheme}://${server}:${port}")
      if(port EQUAL 22)
        list(APPEND places "${scheme}://${server}")
      endif()
    endforeach()
    foreach(place IN LISTS places)
      list(APPEND pairs "${place}/" "${stem}")
    endforeach()
    # From the root or from the home. A path that begins with "~name" is neither.
    if(NOT stem MATCHES "^~" AND scheme STREQUAL "ssh")
      foreach(place IN LISTS places)
        list(APPEND pairs "${place}/~/" "${stem}")
      endforeach()
    endif()
  endforeach()
  if(alsoHttps)
    list(APPEND pairs "https://${host}/" "${stem}")
  endif()
  set(${out} "${pairs}" PARENT_SCOPE)
endfunction()

# _bottle_gate_urls(<list> <guards> <base> <JSON of an upstream>): appends pairs of words "<base>" "<URL>" to the list
# <list>, and to <guards> prefixes of URLs that are replaced by themselves.
function(_bottle_gate_urls lead_out guard_out base json)
  _bottle_upstream_spellings(spellings "${json}")
  set(lead "${${lead_out}}")
  set(guard "${${guard_out}}")
  if(NOT spellings_given STREQUAL "")
    _bottle_encode(word "${spellings_given}")
    list(APPEND lead "${base}" "${word}")
  endif()
  while(spellings)
    list(POP_FRONT spellings beginning stem)
    foreach(url IN ITEMS "${beginning}${stem}.git" "${beginning}${stem}")
      if(NOT url STREQUAL spellings_given)
        _bottle_encode(word "${url}")
        list(APPEND lead "${base}" "${word}")
      endif()
    endforeach()
    foreach(more IN LISTS _BOTTLE_GUARDS)
      _bottle_encode(word "${beginning}${stem}${more}")
      list(APPEND guard "${word}")
    endforeach()
  endwhile()
  set(${lead_out} "${lead}" PARENT_SCOPE)
  set(${guard_out} "${guard}" PARENT_SCOPE)
endfunction()
