# SPDX-License-Identifier: Apache-2.0
# The tools, bottle-<name> each. The one list of them: other files include it.
set(_bottle_all_tools cache fingerprint gate image lock pack registry why)
