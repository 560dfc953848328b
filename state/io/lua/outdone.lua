#!lua flags=allow-oom
--@include many.lua
-- Message ids
local ids=cmsgpack.unpack(ARGV[1])
local members={}
for k=1,#ids do members[k]='o|'..ids[k] end
many('HDEL',ids,KEYS[1]..'outbox')
many('ZREM',members,KEYS[1]..'reminders')
return {'OK'}
