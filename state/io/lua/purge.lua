#!lua flags=allow-oom
--@include many.lua
--@include index.lua
--@include remove.lua
--@include change.lua
-- 1 instance, 2 inc or nil: whichever is there, 3 force, 4 remembered until or nil: not at
-- all, 5 now, 6 remembered at most, 7 change log entries at most
local t=KEYS[1]
local a=cmsgpack.unpack(ARGV[1])
local m=redis.call('HMGET',t..a[1]..'||metadata','inc','gen','history_count','inbox_head',
  'inbox_tail','status','reminders','request_id','name','tags','turn')
if not m[1] then return {'NOT_FOUND'} end
if a[2] and a[2]~=m[1] then return {'CONFLICT'} end
local s=m[6]
if not (a[3] or s=='1' or s=='3' or s=='4' or s=='5') then return {'NOT_TERMINAL'} end
remember(t,a[1],m[8],a[4],a[5],a[6])
remove(t,a[1],m)
change_add(t,a[7],a[5],16,s,m[2],m[11],m[1],a[1],m[9])
return {'OK'}
